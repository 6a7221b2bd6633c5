"""All the checks of a part: each a test of pytest, or one after the other without it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

from salience.data.domain import Domain
from salience.data.tensors import Tensors
from salience.errors import InputError, brief, nearest
from salience.testing.checks import Check, checks_of, has_examples
from salience.testing.comparing import NotTestedError
from salience.testing.example import Example
from salience.testing.examples import examples
from salience.testing.subject import Subject

Test = TypeVar("Test", bound=Callable[..., Any])


def parametrize_checks(
    part: Any,
    *,
    data: Any = None,
    model: Any = None,
    domain: Domain | None = None,
    output: Any = None,
    calculator: Any = None,
    n_items: int | None = None,
    xfail: Mapping[str, str] | None = None,
) -> Callable[[Test], Test]:
    """Parametrize a test by all the checks of a part, of which each is a test of its own.

    A check that needs more than was given is skipped with a reason that says what to pass.
    docs/conformance.md has a section on each check. pytest is needed, which
    ``pip install "salience[testing]"`` brings.

    ::

        @parametrize_checks(MyDomain(), data=DATA, model=MODEL)
        def test_conforms(check):
            check()

    Args:
        part: A domain, calculator, sampler, aggregator, visualizer or executor.
        data: Items as a user would pass them, two or more: for a domain its data, of different
            lengths where it is ragged or padded; for other parts the data of ``domain``.
        model: A model of the data.
        domain: For parts other than domains, the domain that reads the data;
            :class:`salience.Tensors` where ``None``. Parts that work on any data are tried on
            dense, padded and ragged examples of the kit where no data is given.
        output: Output variable of the model; the domain's default where ``None``.
        calculator: The method by which items are explained for domains and visualizers, such as
            ``"integrated_gradients"``; the gradient where ``None``.
        n_items: Number of items in the data, where its length is another.
        xfail: Name of a check → why the part is known to fail it. The check must then fail.

    Raises:
        InputError: The part is of no kind that is checked, ``xfail`` names no check of it or gives
            no reason, or pytest is not installed.
    """
    subject = subject_of(
        part,
        data=data,
        model=model,
        domain=domain,
        output=output,
        calculator=calculator,
        n_items=n_items,
    )
    checks = checks_of(subject)
    reasons = _reasons(xfail, checks)
    pytest = _pytest()

    def parametrized(test: Test) -> Test:
        marked = [
            pytest.param(
                check,
                id=check.name,
                marks=[pytest.mark.xfail(reason=reasons[check.name], strict=True)]
                if check.name in reasons
                else [],
            )
            for check in checks
        ]
        made: Test = pytest.mark.parametrize("check", marked)(test)
        return made

    return parametrized


def check_domain(domain: Domain, data: Any, model: Any = None) -> None:
    """Make all the checks of a domain, one after the other, without pytest.

    It is for a notebook, or a first try; in tests :func:`parametrize_checks` names each check, and
    those that what was given does not suffice for.

    Args:
        domain: The domain.
        data: Two or more items as a user would pass them, of different lengths where the domain is
            ragged or padded.
        model: A model of the data; without it, checks that need one are left out.

    Raises:
        AssertionError: The domain breaks a promise; the message says which, and where.
        InputError: The domain is a class.
    """
    for check in checks_of(subject_of(domain, data=data, model=model)):
        with suppress(NotTestedError):
            check.run()


def subject_of(
    part: Any,
    *,
    data: Any = None,
    model: Any = None,
    domain: Domain | None = None,
    output: Any = None,
    calculator: Any = None,
    n_items: int | None = None,
) -> Subject:
    """The part with what it is tried on; see :func:`parametrize_checks`."""
    if isinstance(part, type):
        raise InputError(f"{part.__name__} is a class; pass an object, {part.__name__}(...)")
    own = Example(
        "data",
        domain or Tensors(),
        data=data,
        model=model,
        output=output,
        n_items=n_items,
        calculator=calculator or "gradient",
    )
    if isinstance(part, Domain):
        if domain is not None:
            raise InputError("domain= is for parts that are no domain; leave it out")
        return Subject(part, [replace(own, domain=part)], True)
    if data is None and model is None:
        if domain is not None:
            raise InputError("domain= was passed without data= and model=; pass all three")
        return Subject(part, examples() if has_examples(part) else [], False)
    if data is None or model is None:
        missing = "data" if data is None else "model"
        raise InputError(f"{missing}= is missing; pass data= and model=, or neither of them")
    return Subject(part, [own], True)


def _reasons(xfail: Mapping[str, str] | None, checks: Sequence[Check]) -> dict[str, str]:
    """Name of a check → reason.

    Raises:
        InputError: A name is that of no check, or a reason is empty.
    """
    known = [check.name for check in checks]
    for name, reason in (xfail or {}).items():
        if name not in known:
            raise InputError(f"xfail names the check {brief(name)}; {nearest(name, known)}")
        if not isinstance(reason, str) or not reason.strip():
            raise InputError(f"xfail gives no reason for {name!r}; say why the check fails")
    return dict(xfail or {})


def _pytest() -> Any:
    try:
        import pytest
    except ImportError as error:
        raise InputError(
            "parametrize_checks needs pytest, which is not installed; run: pip install "
            '"salience[testing]"'
        ) from error
    return pytest
