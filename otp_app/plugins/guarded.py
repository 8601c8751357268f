"""An object of an operator's class: the server sees only answers and errors of its contract."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from otp_app.plugins.isolation import PluginFault, isolated

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Method:
    """A method of a contract: what it takes, returns and raises, and what replaces everything else."""

    arguments: int  # positional ones
    returns: Callable[[Any], bool]  # whether a value is one that the contract knows
    instead: Callable[[str], Any]  # gets the name of the fault; returns what stands for it, or raises
    raises: tuple[type[Exception], ...] = ()  # what the contract knows
    required: bool = True
    yields: Callable[[Any], bool] | None = None  # set where it returns an iterable: whether a value may be in it


class Guarded:
    """The methods of a contract around an operator's object. `name` is the setting and class that log lines show."""

    def __init__(self, plugin: object, name: str, contract: Mapping[str, Method]) -> None:
        """Raises ValueError, in one line, where the object cannot fulfil the contract."""
        self._plugin = plugin
        for method_name, method in contract.items():
            found = attribute(plugin, method_name)
            if found is None and not method.required:
                continue
            check_callable(found, method_name, method.arguments, generator=method.yields is not None)
            setattr(self, method_name, _around(method, found, f"{name}.{method_name}"))

    def __getattr__(self, name: str) -> Any:
        """Return what the object has beyond the contract: nothing in the server asks for it, its own tests may."""
        if name == "_plugin":  # not set yet
            raise AttributeError(name)
        return getattr(self._plugin, name)


def check_callable(found: Any, name: str, arguments: int, *, generator: bool = False) -> None:
    """Raise ValueError, in one line, where it can never be called as its contract says."""
    if not callable(found):
        raise ValueError(f"it has no method {name}")
    functions = [found] if inspect.isclass(found) else [found, found.__call__]
    if any(_is_async(function) or (_generates(function) and not generator) for function in functions):
        raise ValueError(f"{name} is async or a generator, which nothing here would run: write a plain def")
    try:
        signature = inspect.signature(found)
    except (TypeError, ValueError):  # some of C's have none
        return
    try:
        signature.bind(*[None] * arguments)
    except TypeError:
        raise ValueError(f"{name} must take {arguments} argument{'s' * (arguments != 1)}") from None


def _is_async(function: Any) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def _generates(function: Any) -> bool:
    return inspect.isgeneratorfunction(function)


def attribute(plugin: object, name: str) -> Any:
    """Return an attribute of an operator's object; None where it has none. Raises ValueError."""
    try:
        return isolated(getattr, plugin, name, None)
    except PluginFault as fault:
        raise ValueError(f"its {name} cannot be read ({fault})") from fault.error


def _around(method: Method, function: Callable[..., Any], name: str) -> Callable[..., Any]:
    def call(*arguments: Any, **options: Any) -> Any:
        try:
            answer = isolated(function, *arguments, **options)
        except PluginFault as fault:
            return _replaced(method, fault, name)
        if method.yields and isinstance(answer, Iterable):
            return _each(method, answer, name)
        return answer if _is_good(method.returns, answer) else _wrong(method, answer, name)

    return call


def _each(method: Method, answer: Iterable[Any], name: str) -> Iterator[Any]:
    end = object()
    try:
        values = isolated(iter, answer)
        while (value := isolated(next, values, end)) is not end:
            if not method.yields or not _is_good(method.yields, value):
                _wrong(method, value, name)
            yield value
    except PluginFault as fault:
        _replaced(method, fault, name)


def _is_good(returns: Callable[[Any], bool], answer: Any) -> bool:
    """Return whether the value is good. Reading it may run the plug-in's code as well."""
    try:
        return isolated(returns, answer)
    except PluginFault:
        return False


def _replaced(method: Method, fault: PluginFault, name: str) -> Any:
    if isinstance(fault.error, method.raises):
        raise fault.error
    log.error("%s: it raised %s", name, fault)
    return method.instead(type(fault.error).__name__)


def _wrong(method: Method, answer: Any, name: str) -> Any:
    if inspect.iscoroutine(answer):
        answer.close()  # or Python warns that it was never awaited
    log.error("%s: it returned a value that the contract does not allow, of type %s", name, type(answer).__name__)
    return method.instead("wrong answer")
