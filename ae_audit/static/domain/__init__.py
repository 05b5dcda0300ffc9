"""What is known of a value: arrays, tensors, losses, and the arithmetic on them."""
