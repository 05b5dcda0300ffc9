"""From the sites of several runs to the training set-ups of a program, each under its condition."""

from __future__ import annotations

from collections.abc import Iterable

from ae_audit.base.records import dataclass, replace
from ae_audit.schema.location import Location
from ae_audit.schema.report import Undecided
from ae_audit.schema.training_setup import (
    Condition,
    DataFacts,
    Framework,
    Head,
    ModelFacts,
    Relation,
    Sampler,
    Structure,
    TrainingSetup,
)
from ae_audit.static.domain import arrays, divergences, relations, tensors
from ae_audit.static.domain.values import Array, Difference, Site, Tensor, Unknown, Value
from ae_audit.static.interpreter.program import Execution
from ae_audit.theory.activations import ActivationRange
from ae_audit.theory.intervals import UNIT
from ae_audit.theory.loss_families import ONLY_CLASS_INDEX, POINTWISE
from ae_audit.theory.loss_names import GENERAL, WITHOUT_TARGET
from ae_audit.theory.ranges import ValueRange

MAX_PER_LOCATION = 6
"""set-ups of one place that are told apart; a program that compares more repeats itself"""
_NO_RECONSTRUCTION = frozenset({Relation.OTHER, Relation.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Draft:
    """A set-up before its condition, and the reasons for what it does not know."""

    setup: TrainingSetup
    why: tuple[tuple[str, str], ...]
    evaluation: bool = False
    vague: bool = False
    """neither the prediction nor the target is known: a helper with unknown parameters"""
    trained: bool = False
    """``backward`` was seen to be called on it"""
    unread: bool = False
    """it is trained on a loss of the program's own in which no comparison was seen"""
    entry: Location | None = None
    """the first layer with weights that the data enter"""
    bounded: tuple[tuple[Location, Head], ...] = ()
    """layers that a bounded output enters on the way to the prediction"""
    predicted: Head | None = None
    """the output of the model that predicted the input"""
    eager: bool = False
    """it was computed value by value, in a loop of the program's own"""

    @property
    def known(self) -> int:
        """How much of head, loss and target is known."""
        setup = self.setup
        return (
            4 * (setup.head.activation is not None)
            + 2 * (setup.loss.name is not None)
            + (not setup.target.values.unknown)
        )


def draft(site: Site, backend: str | None = None) -> Draft:
    """The set-up that a site amounts to, and the reasons for what it leaves unknown; ``backend`` of Keras."""
    prediction = site.prediction
    if isinstance(prediction, Difference):
        prediction = tensors.as_tensor(prediction)
    head = prediction.head if isinstance(prediction, Tensor) else Head()
    target, input_ = _array(site.target), _array(site.input)
    relation, scale = Relation.UNKNOWN, None
    if target is not None and input_ is not None:
        relation, scale = relations.relation(input_, target)
    if site.relation is not None:
        relation, scale = site.relation, None
    reasons: list[tuple[str, str]] = []
    if target is not None and relation in _NO_RECONSTRUCTION and _may_be_mask(target, head, site.use.name):
        target = replace(target, values=ValueRange(target.values.hull), structure=Structure.UNKNOWN)
        if not UNIT.covers(target.values.hull):
            reasons.append(("target range", "its files may hold masks, of 0 and 1 or of 0 and 255, or photographs"))
    if target is not None and target.random and site.framework is Framework.TORCH and not site.trained:
        target = replace(target, values=ValueRange(target.values.hull))  # numbers at random, to try a network out
    if target is not None and relation in _NO_RECONSTRUCTION and _of_classes(target, site.use.name):
        target = replace(target, structure=Structure.CLASS_INDEX)
    model = ModelFacts(name=site.model)
    if isinstance(prediction, Tensor):
        model = ModelFacts(
            name=site.model or prediction.model, first_layers=prediction.first_layers,
            normalises_input=prediction.normalises, variational=prediction.variational,
            latent_activation=None if prediction.latent is None else prediction.latent.activation,
            latent_location=None if prediction.latent is None else prediction.latent.location,
        )  # fmt: skip
    backend = site.backend or ("torch" if site.framework is Framework.TORCH else backend)
    setup = TrainingSetup(
        framework=site.framework, location=site.where.location, backend=backend, head=head, loss=site.use,
        target=_nothing_known(site) if target is None else target.facts,
        input=DataFacts() if input_ is None else input_.facts,
        relation=relation, relation_scale=scale, model=model, metrics=tuple(site.metrics),
        validation_target=_facts(site.validation_target), validation_input=_facts(site.validation_input),
        optimizer=site.optimizer, variational=divergences.terms(site.pair, site.framework),
        sampler=_sampler(prediction, site), mixed=_facts(relations.mixed_with_noise(input_, target)),
        asked=_facts(site.asked), entering=_entering_facts(prediction, input_),
    )  # fmt: skip
    if site.completed is not None:
        setup = site.completed(setup)
    vague = setup.target.values.unknown and (not isinstance(prediction, Tensor) or site.unread)
    reasons.extend(_reasons(site, setup, prediction))
    entry, bounded = (prediction.entry, prediction.bounded) if isinstance(prediction, Tensor) else (None, ())
    predicted = None if input_ is None else input_.predicted
    if input_ is not None and input_.random:  # what a generator begins with is no data
        entry = None
    if input_ is not None and predicted is not None:  # it may have been rescaled since
        predicted = replace(predicted, range=ActivationRange(ValueRange(input_.values.hull)))
    return Draft(setup, tuple(reasons), site.evaluation, vague, site.trained, site.unread, entry, bounded, predicted,
                 eager=site.term is not None)  # fmt: skip


def _entering_facts(prediction: Value, input_: Array | None) -> DataFacts | None:
    """The input as the first weights get it, where the model scaled it on the way."""
    if not isinstance(prediction, Tensor) or input_ is None:
        return None
    found = [
        array for array in prediction.fed if array.root == input_.root and len(array.scalings) > len(input_.scalings)
    ]
    if len(found) == 1:
        return found[0].facts
    inside = prediction.fed[0] if len(prediction.fed) == 1 else None
    if inside is None or not inside.placeholder or not inside.scalings or not inside.scale or inside.shift is None:
        return None
    # the place of data in a model that is built before any are known
    return arrays.affine(input_, inside.scale, inside.shift, inside.scalings[-1], inside.where).facts


def _sampler(prediction: Value, site: Site) -> Sampler | None:
    """How the code of a variational network is drawn, and what its divergence takes for the variance."""
    divergence = None if site.pair is None else site.pair.divergence
    if not isinstance(prediction, Tensor) or prediction.drawn is None or divergence is None:
        return None
    drawn, charged = prediction.drawn, divergence.exponent
    if charged is None or charged.multiple is None or charged.layer != drawn.layer:
        return None
    return Sampler(drawn.multiple, charged.multiple, drawn.where.location)


def _nothing_known(site: Site) -> DataFacts:
    """The facts of a target that is out of reach; a loss that takes nothing but class indices is given them."""
    classes = isinstance(site.target, Unknown) and site.use.name in ONLY_CLASS_INDEX
    return DataFacts(structure=Structure.CLASS_INDEX) if classes else DataFacts()


def _of_classes(target: Array, loss: str | None) -> bool:
    """Whether a target of which nothing is known meets a loss that takes nothing but class indices."""
    return target.why is not None and target.structure is Structure.UNKNOWN and loss in ONLY_CLASS_INDEX


def _may_be_mask(target: Array, head: Head, loss: str | None) -> bool:
    """Whether the target may be what segmentation learns: files of two grey values, stored as 0 and 1 or 0 and 255.

    Colours, and losses that measure distances, speak for pictures.
    """
    if not target.pictured or loss in POINTWISE:
        return False
    shape = head.shape
    return shape is None or len(shape) < 3 or 3 not in {shape[1], shape[-1]}


def _array(value: Value | None) -> Array | None:
    if isinstance(value, Array):
        return value
    return value.array if isinstance(value, Unknown) else None


def _facts(value: Value | None) -> DataFacts | None:
    array = _array(value)
    return None if array is None else array.facts


def _reasons(site: Site, setup: TrainingSetup, prediction: Value) -> Iterable[tuple[str, str]]:
    if setup.head.activation is None and setup.head.range.unknown:
        yield "output activation", tensors.unknown_head(prediction) or "the model is not in this file"
    if setup.loss.name is None:
        yield "loss", site.why_loss or "it is a function of the user's own that reduces to no known loss"
    if setup.target.values.unknown and setup.loss.name not in WITHOUT_TARGET:
        reason = arrays.why_unknown(site.target) if site.target is not None else None
        yield "target range", reason or "nothing in the file bounds its values"


def collect(executions: list[Execution]) -> tuple[tuple[TrainingSetup, ...], tuple[Undecided, ...]]:
    """Set-ups of all runs, the same ones merged, different ones at one place told apart by their condition."""
    groups: dict[tuple[object, ...], list[tuple[int, Draft]]] = {}
    called: set[int] = {node for execution in executions for node in execution.called}
    fitted = {site.use.location for execution in executions for site in execution.sites if not site.unfitted}
    for index, execution in enumerate(executions):
        seen_here: set[TrainingSetup] = set()
        for site in execution.sites:
            if site.uncalled in called:
                continue  # another run calls it with real arguments
            if site.unfitted and site.use.location in fitted - {None}:
                continue  # another run fits what is compiled there
            made = draft(site, execution.backend)
            if made.setup in seen_here:
                continue
            seen_here.add(made.setup)
            several_losses = made.setup.framework is Framework.KERAS
            key = (made.setup.location, made.setup.loss.location if several_losses else None)
            groups.setdefault(key, []).append((index, made))
    _mark_measurements(groups)
    _add_validation(groups)
    _add_generated(groups)
    training = any(not made.evaluation for group in groups.values() for _, made in group)
    definite = any(not made.vague for group in groups.values() for _, made in group)
    setups: list[TrainingSetup] = []
    undecided: list[Undecided] = []
    passed: dict[Location, set[int]] = {}
    for group in groups.values():
        for index, made in group:
            passed.setdefault(made.setup.location, set()).add(index)
    for group in groups.values():
        for made in _of_one_place(group, executions, passed[group[0][1].setup.location]):
            if (made.evaluation and training) or (made.vague and definite and not made.unread):
                continue
            where = made.setup.location
            if not (made.vague and definite):
                setups.append(made.setup)
            undecided.extend(
                Undecided(where.path, what, why, where.line, where.cell) for what, why in made.why
                if not (made.vague and definite) or what == "loss"
            )  # fmt: skip
    if setups and executions[0].quality:  # computed beside the training, and told with the first of its losses
        setups[0] = replace(setups[0], metrics=(*setups[0].metrics, *dict.fromkeys(executions[0].quality)))
    order = sorted(range(len(setups)), key=lambda i: (setups[i].location.cell or 0, setups[i].location))
    return tuple(setups[i] for i in order), tuple(dict.fromkeys(undecided))


def _mark_measurements(groups: dict[tuple[object, ...], list[tuple[int, Draft]]]) -> None:
    """A loss that nothing is trained on, of a head or in a line that is trained on elsewhere, measures: a test loss."""
    places = {made.setup.location for group in groups.values() for _, made in group if made.trained}
    trained = {
        made.setup.head.location for group in groups.values() for _, made in group
        if made.trained and made.setup.head.location is not None
    }  # fmt: skip
    for group in groups.values():
        for place, (index, made) in enumerate(group):
            of_trained_head = made.setup.framework is Framework.TORCH and made.setup.head.location in trained
            beside_training = made.eager and made.setup.location in places
            if not made.trained and (of_trained_head or beside_training):
                group[place] = (index, replace(made, evaluation=True))


def _add_validation(groups: dict[tuple[object, ...], list[tuple[int, Draft]]]) -> None:
    """In torch, validation data are what the same untouched output meets in the same loss where nothing is trained."""
    measured = [
        (index, made.setup) for group in groups.values() for index, made in group
        if made.setup.framework is Framework.TORCH and made.evaluation and not made.setup.target.values.unknown
    ]  # fmt: skip
    if not measured:
        return
    for group in groups.values():
        for place, (index, made) in enumerate(group):
            setup = made.setup
            if not made.trained or setup.validation_target is not None or setup.head.location is None:
                continue
            found = next(
                (
                    other for other_index, other in measured
                    if other_index == index and other.head.location == setup.head.location
                    and other.head.range == setup.head.range and other.loss.name == setup.loss.name
                ),
                None,
            )  # fmt: skip
            if found is not None:
                changed = replace(setup, validation_target=found.target, validation_input=found.input)
                group[place] = (index, replace(made, setup=changed))


def _add_generated(groups: dict[tuple[object, ...], list[tuple[int, Draft]]]) -> None:
    """What a generator puts in place of the data before the very layer that they enter."""
    everything = [(index, made) for group in groups.values() for index, made in group]
    for group in groups.values():
        for place, (index, made) in enumerate(group):
            if made.entry is None or made.predicted is not None:
                continue
            fakes = [_entering(other, made.entry) for run, other in everything if run == index and other is not made]
            found = next((head for head in fakes if head is not None), None)
            if found is not None:
                group[place] = (index, replace(made, setup=replace(made.setup, generated=found)))


def _entering(made: Draft, layer: Location) -> Head | None:
    """The bounded output that enters the layer on the way to this prediction; None where there is none, or several."""
    if made.entry == layer:
        return made.predicted
    heads = [head for place, head in made.bounded if place == layer]
    return heads[0] if len(heads) == 1 else None


def _of_one_place(group: list[tuple[int, Draft]], executions: list[Execution], reached: set[int]) -> list[Draft]:
    """The different set-ups of one loss at one place; ``reached``: the runs that came to the place."""
    distinct: dict[TrainingSetup, tuple[Draft, set[int]]] = {}
    for index, made in group:
        key = _essence(made.setup)
        if key not in distinct or (distinct[key][0].evaluation and not made.evaluation):
            distinct[key] = (made, distinct[key][1] if key in distinct else set())
        distinct[key][1].add(index)
    if len(distinct) > 1:
        everyone = {index for _, indices in distinct.values() for index in indices}
        distinct = _without_less_known(distinct)
        reached = reached - (everyone - {index for _, indices in distinct.values() for index in indices})
    results: list[Draft] = []
    for made, indices in list(distinct.values())[:MAX_PER_LOCATION]:
        if indices == reached and not all(executions[index].plan.undoes for index in indices):
            results.append(made)
            continue
        results.append(replace(made, setup=replace(made.setup, condition=_condition(indices, reached, executions))))
    return results


def _essence(setup: TrainingSetup) -> TrainingSetup:
    """A set-up without what two runs may word differently."""
    return replace(
        setup,
        head=replace(setup.head, trail=()), loss=replace(setup.loss, weight=None),
        target=replace(setup.target, trail=(), location=None),
        input=replace(setup.input, trail=(), location=None), validation_input=None, validation_target=None,
        metrics=(), optimizer=None, model=ModelFacts(normalises_input=setup.model.normalises_input),
    )  # fmt: skip


def _without_less_known(
    distinct: dict[TrainingSetup, tuple[Draft, set[int]]],
) -> dict[TrainingSetup, tuple[Draft, set[int]]]:
    """Drop what an unknown branch left unknown where another branch knows it."""
    kept: dict[TrainingSetup, tuple[Draft, set[int]]] = {}
    for key, (made, indices) in distinct.items():
        covered = any(
            _covers(other.setup, made.setup) and other.known > made.known
            for other_key, (other, _) in distinct.items() if other_key is not key
        )  # fmt: skip
        if not covered:
            kept[key] = (made, indices)
    return kept or distinct


def _covers(better: TrainingSetup, worse: TrainingSetup) -> bool:
    """Whether ``better`` says the same as ``worse`` wherever ``worse`` says something."""
    return (
        (worse.head.activation in {None, better.head.activation})
        and (worse.loss.name in {None, better.loss.name} or _narrower(better.loss.name, worse.loss.name))
        and (worse.target.values.unknown or worse.target.values == better.target.values)
        and (worse.head.activation is None or worse.head.axis == better.head.axis)
    )


def _narrower(name: str | None, general: str | None) -> bool:
    """Whether ``name`` is what ``general`` turned out to be."""
    return general is not None and GENERAL.get(name or "") == general


def _condition(indices: set[int], reached: set[int], executions: list[Execution]) -> Condition:
    """In words, what tells the runs in ``indices`` from the others that reached the place."""
    others = reached - indices
    if 0 in indices:
        taken = [offer for index in sorted(others) for offer in executions[index].plan.taken]
        asked = {offer.key for offer in executions[0].offers}  # tests that the default run was asked, and no other
        taken = [offer for offer in taken if offer.key in asked] or taken
        texts = list(dict.fromkeys(offer.default_text for offer in taken))
        demanded = any(offer.demanded for offer in taken)
        return Condition(" and ".join(texts[:3]) or "by default", default=not demanded)
    first = min(indices)
    return Condition(executions[first].plan.text or "by default", default=not executions[first].plan.taken)
