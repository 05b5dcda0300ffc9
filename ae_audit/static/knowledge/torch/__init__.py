"""Knowledge of PyTorch, torchvision and Lightning."""
