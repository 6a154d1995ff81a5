from __future__ import annotations

import ast

import pytest

from bench.__main__ import main
from bench.ledger.verdict import Check
from bench.mutants.build import source_text
from bench.mutants.catalog import MUTANTS, SMALLEST
from bench.mutants.conditions import CALM, HELD, Condition
from bench.mutants.mutant import Edit, Mutant, MutantStaleError
from bench.mutants.run import Fate, control, fate_of, name_of, with_controls


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutant_applies(mutant: Mutant) -> None:
    """Each edit fits the present source exactly once, changes it, and leaves a module that parses."""
    mutated = mutant.mutated(source_text)
    assert mutated.keys() == {edit.file for edit in mutant.edits}
    for file, text in mutated.items():
        assert ast.dump(ast.parse(text)) != ast.dump(ast.parse(source_text(file))), file


def test_there_are_twenty_mutants_of_different_names() -> None:
    """Enough of them, each to be asked for by its name, each with a check that must notice it."""
    names = [mutant.name for mutant in MUTANTS]
    assert len(set(names)) == len(names) >= 20
    assert all(mutant.killed_by for mutant in MUTANTS)
    assert set(SMALLEST) <= set(names)


def test_no_mutant_is_killed_by_what_its_condition_breaks_anyway() -> None:
    """A check that is red of the real pipeline under the same condition proves nothing about a mutant."""
    assert [mutant.name for mutant in MUTANTS if set(mutant.killed_by) & set(mutant.under.red)] == []


@pytest.mark.parametrize("old", ["nowhere", "same"])
def test_a_mutant_that_no_longer_applies_is_named(old: str) -> None:
    """A text that stands nowhere, or twice, in the source is an error that names the mutant and the file."""
    mutant = Mutant("some", "something", (Edit("a.py", old, "new"),), ("a check",), CALM)
    with pytest.raises(MutantStaleError, match=r"mutant some no longer applies.*functions/a\.py"):
        mutant.mutated(lambda _: "same same")


@pytest.mark.parametrize(
    ("red", "fate"),
    [
        (("bars", "receipts", "more"), Fate.KILLED),
        (("bars", "GET /ingest"), Fate.KILLED_BY_OTHERS),
        (("made red anyway",), Fate.SURVIVED),
        ((), Fate.SURVIVED),
    ],
)
def test_a_mutant_is_killed_by_all_the_checks_that_should(red: tuple[str, ...], fate: Fate) -> None:
    """Red for another reason is not killed, and what the condition makes red counts for nothing."""
    condition = Condition("rough", "", red=("made red anyway",))
    mutant = Mutant("some", "something", (Edit("a.py", "old", "new"),), ("bars", "receipts"), condition)
    assert fate_of(mutant, red) is fate


@pytest.mark.parametrize(
    ("red", "fate"), [((), Fate.PASSED), (("made red anyway",), Fate.PASSED), (("bars",), Fate.FAILED)]
)
def test_the_real_pipeline_must_pass(red: tuple[str, ...], fate: Fate) -> None:
    """Where the real pipeline is red too, a mutant's death would mean nothing."""
    assert fate_of(control(Condition("rough", "", red=("made red anyway",))), red) is fate


def test_the_real_pipeline_runs_under_every_condition_first() -> None:
    """One control for each condition that is needed, before the mutants, however many share it."""
    mutants = [Mutant(f"m{n}", "", (), ("bars",), condition) for n, condition in enumerate((HELD, CALM, HELD))]
    assert with_controls(mutants) == (control(HELD), control(CALM), *mutants)


def test_checks_are_named_without_their_figures() -> None:
    """The name of a check that counts something is the same whatever it counted."""
    assert name_of(Check("bars through GET /bars (7 symbols)", passed=False, detail="")) == "bars through GET /bars"


def test_unknown_mutants_are_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is none is one line that says which there are, and status 2, before anything is started."""
    assert main(["mutants", "--only", "float-prices,no-such"]) == 2
    said = capsys.readouterr().err
    assert "no mutant 'no-such'" in said
    assert "ties-reordered" in said


def test_the_list_starts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """The list says of each mutant what is broken and which check must notice."""
    assert main(["mutants", "--list", "--only", "float-prices"]) == 0
    said = capsys.readouterr().out
    assert "float-prices" in said
    assert "ties-reordered" not in said
