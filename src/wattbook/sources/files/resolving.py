"""The columns of a file that a mapping means."""

from dataclasses import replace

from wattbook.core.errors import InputError, Problem, UndecodableError
from wattbook.core.frames import Contract
from wattbook.sources.codecs import rows
from wattbook.sources.files.mapping import TEMPLATE, Mapping, Target


def names_of(target: Target) -> list[str]:
    """Columns of the file that a target needs."""
    return [name for source in target.sources for name in (TEMPLATE.findall(source) or [source])]


def resolve(mapping: Mapping, names: tuple[str, ...], contract: Contract) -> Mapping:
    """The mapping with every source a column of the file; the contract's own names if it is bare.

    Raises
    ------
    InputError
        A source is no column of the file; the message lists those that are.
    """
    targets = []
    for target in mapping.columns:
        joined = "+".join(target.sources)
        targets.append(replace(target, sources=(joined,)) if joined in names else target)
    mapped = {target.column for target in targets} | set(mapping.constants)
    aliases = {name: alias for alias, name in rows.aliases(contract).items() if alias in names}
    for name in contract.columns:
        if mapping.columns or name in rows.OURS or name in mapped:
            continue
        found = tuple(one for one in (name, aliases.get(name)) if one in names)
        if found:
            targets.append(Target(name, found, either=True))
    missing = [name for target in targets for name in names_of(target) if name not in names]
    missing += [mapping.dst_flag] if mapping.dst_flag and mapping.dst_flag not in names else []
    if missing or not targets:
        raise _no_such_columns(missing, names, contract)
    return replace(mapping, columns=tuple(targets))


def _no_such_columns(missing: list[str], names: tuple[str, ...], contract: Contract) -> InputError:
    have = f"it has {', '.join(map(repr, names))}"
    if missing:
        detail = f"the file has no {', '.join(map(repr, dict.fromkeys(missing)))}; {have}"
    else:
        own = [name for name in contract.columns if name not in rows.OURS]
        detail = (
            f"the file has none of the columns {', '.join(own)}; {have}: say which is which with"
            f" --map, as --map {'start' if 'start' in own else 'timestamp'}={names[0]!r}"
        )
        return UndecodableError(detail, [Problem("bad_header", detail)])
    return InputError(detail, [Problem("bad_mapping", detail, field="map")])
