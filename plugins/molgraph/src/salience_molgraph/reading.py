"""Reading molecules: from SMILES, RDKit molecules, files, tables and PyG data."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path
from typing import Any

from rdkit import Chem

from salience import is_file, labels_in_column, row_names, tell
from salience.errors import InputError, an, brief, nearest

# Most characters of a SMILES string; a protein of 400 residues has 5000.
_LONGEST = 20_000
#: Endings of the files that are read.
SUFFIXES = (".sdf", ".sd", ".smi", ".csv")


@dataclass(frozen=True)
class Source:
    """One item as the user gave it.

    Args:
        value: A SMILES string, an RDKit molecule, a PyG ``Data``, or anything else, which is
            refused later.
        name: Title of the molecule; empty where the source gives none.
        where: Position of the item in a file, for error messages; empty for other sources.
        problem: The reason why the item could not be read; empty where none is known.
        id: What the data calls the item by an index or a column of ids; ``None`` where by neither.
        row: The columns of a table that were asked for as properties.
    """

    value: Any
    name: str = ""
    where: str = ""
    problem: str = ""
    id: Any = None
    row: Mapping[str, Any] = field(default_factory=dict)

    def called(self) -> Any:
        """The first of its id, its title and its SMILES string; ``None`` where it has none."""
        given = (self.id, self.name, self.value if isinstance(self.value, str) else None)
        return next((name for name in given if not is_missing(name)), None)


def sources(
    data: Any, id_column: str | None = None, properties: Sequence[str] = ()
) -> Iterator[Source]:
    """Yield the items of the user's data, one by one.

    Args:
        data: A SMILES string, an RDKit molecule, a PyG ``Data`` or ``Batch``, the path of an .sdf,
            .smi or .csv file, a table with a ``smiles`` column, or an iterable of items and paths.
        id_column: Column of a table that names its molecules. Where ``None``, the index of a frame
            or series does, unless it just counts the rows.
        properties: Columns of a table that its items carry along.

    Raises:
        InputError: The file does not exist or is of another kind, the data is of another type, or a
            table lacks the column ``smiles``, the ``id_column`` or one of ``properties``.
    """
    if isinstance(data, Path) or (isinstance(data, str) and _is_path(data)):
        yield from _file(Path(data), id_column, properties)
    elif isinstance(data, str | Chem.Mol):
        yield Source(data)
    elif hasattr(data, "to_data_list"):
        yield from map(Source, data.to_data_list())
    elif is_graph(data):
        yield Source(data)
    elif hasattr(data, "columns") or isinstance(data, Mapping):
        yield from _table(data, id_column, properties)
    elif (labels := row_names(data)) is not None:
        yield from _labelled(data, labels)
    elif isinstance(data, Iterable) and getattr(data, "ndim", None) != 0:
        for item in data:
            if isinstance(item, str | Path) and _is_path(str(item)):
                yield from _file(Path(item), id_column, properties)
            else:
                yield Source(item)
    else:
        raise InputError(
            f"cannot read molecules from {an(type(data).__name__)}; pass SMILES, RDKit molecules, "
            f"PyG Data, a list of these, or the path of an .sdf, .smi or .csv file"
        )


def _table(data: Any, id_column: str | None, properties: Sequence[str]) -> Iterator[Source]:
    columns = list(data)
    smiles = list(data[_smiles_column(columns)])
    names = row_names(data) if id_column is None else data[_column(columns, id_column)]
    items = map(Source, smiles) if names is None else _labelled(smiles, list(names))
    carried = [list(data[_column(columns, name)]) for name in properties]
    lengths = {len(smiles), *map(len, carried), *([] if names is None else [len(list(names))])}
    if len(lengths) > 1:
        raise InputError(
            f"the columns of the table have {min(lengths)} to {max(lengths)} entries; give each "
            f"one entry for each molecule"
        )
    rows = zip(*carried, strict=True) if carried else [()] * len(smiles)
    for source, row in zip(items, rows, strict=True):
        yield replace(source, row=dict(zip(properties, row, strict=True)))


def _labelled(values: Iterable[Any], labels: Iterable[Any]) -> Iterator[Source]:
    """Items with labels; those that are text are titles as well."""
    for value, label in zip(values, labels, strict=True):
        yield Source(value, label if isinstance(label, str) else "", id=label)


def is_missing(label: Any) -> bool:
    """Whether a label says nothing: None, NaN, or an empty string."""
    # NA of pandas cannot be compared with itself.
    return label is None or label == "" or str(label) in ("nan", "NaT", "<NA>")


def is_graph(value: Any) -> bool:
    """Whether a value is one PyG graph, checked without an import of PyG."""
    # Looked up in the class: on an instance, PyG would infer num_nodes and might warn.
    return hasattr(type(value), "num_nodes") and hasattr(value, "edge_index")


def as_written(*, sanitize: bool = True) -> Any:
    """Settings of RDKit's parser that keep the hydrogens which a SMILES string names as atoms."""
    settings: Any = Chem.SmilesParserParams()
    settings.removeHs = False
    settings.sanitize = sanitize
    return settings


def own_mol(value: Any, name: str, *, add_hs: bool, remove_hs: bool) -> tuple[Chem.Mol, str]:
    """Parse or copy a molecule, with its atoms in the given order, and find its name.

    Args:
        value: A SMILES string or an RDKit molecule, which is copied.
        name: Title given by the source. Where empty, the name is the given SMILES string, or the
            title or the SMILES of the RDKit molecule.
        add_hs: Whether all hydrogens are made atoms.
        remove_hs: Whether hydrogens that are atoms are taken out.

    Returns:
        The new molecule and its name.

    Raises:
        InputError: The value cannot be parsed, has no atoms or is of another type.
    """
    if isinstance(value, str):
        mol, name = _parse(value), name or value
    elif isinstance(value, Chem.Mol):
        mol = Chem.Mol(value)
    else:
        raise InputError(
            f"is {an(type(value).__name__)}, expected a SMILES string, an RDKit molecule or a "
            f"PyG Data; mend it or leave it out"
        )
    if mol.GetNumAtoms() == 0:
        raise InputError("is a molecule without atoms; leave it out")
    title = mol.GetProp("_Name").strip() if mol.HasProp("_Name") else ""
    # Writing SMILES changes properties of the molecule, so SMILES are written from another copy.
    name = name or title or Chem.MolToSmiles(Chem.Mol(mol))
    if remove_hs:
        mol = _without_hs(mol)
    if add_hs:
        mol.UpdatePropertyCache(strict=False)
        mol = Chem.AddHs(mol, addCoords=mol.GetNumConformers() > 0)
    return mol, name


class Hydrogens:
    """Notes which molecules of files and of SMILES name hydrogens as atoms, to tell it once."""

    def __init__(self) -> None:
        self._items: list[int] = []

    def see(self, number: int, source: Source, mol: Chem.Mol | None) -> None:
        """Note an item; the user's own molecule objects are as the user made them."""
        if (source.where or isinstance(source.value, str)) and mol is not None and _has_hs(mol):
            self._items.append(number)

    def report(self) -> None:
        """Tell that hydrogens are atoms, where there are any."""
        if self._items:
            tell(
                f"hydrogens that molecules name as atoms are kept as atoms, in the order of the "
                f"source (items: {len(self._items)}, the first: item {self._items[0]}); set "
                f"MolGraph(remove_hs=True) for a model of the heavy atoms alone"
            )


def _has_hs(mol: Chem.Mol) -> bool:
    return any(mol.GetAtomWithIdx(i).GetAtomicNum() == 1 for i in range(mol.GetNumAtoms()))


def _without_hs(mol: Chem.Mol) -> Chem.Mol:
    try:
        return Chem.RemoveHs(mol)
    except Chem.MolSanitizeException as error:
        raise InputError(
            f"cannot be read without its hydrogens ({brief(error)}); mend it or leave it out"
        ) from error


def _parse(text: str) -> Chem.Mol:
    if len(text) > _LONGEST:
        raise InputError(
            f"{brief(text, 60)} has {len(text)} characters, more than the {_LONGEST} that a SMILES "
            f"string may have; mend it or leave it out"
        )
    readable = text.isascii() or text.encode(errors="ignore").decode() == text
    mol = Chem.MolFromSmiles(text, as_written()) if readable else None
    if mol is None:
        loose = Chem.MolFromSmiles(text, as_written(sanitize=False)) if readable else None
        reason = _chemistry_problem(loose)
        raise InputError(
            f"{brief(text)} is not a SMILES string that can be parsed{reason}; mend it or leave it "
            f"out"
        )
    return mol


def _is_path(text: str) -> bool:
    return text.lower().endswith(SUFFIXES)


def _file(path: Path, id_column: str | None, properties: Sequence[str]) -> Iterator[Source]:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"cannot read {str(path)!r}; its suffix must be one of {SUFFIXES}")
    if not is_file(path):
        raise InputError(f"there is no file {str(path)!r}; pass the path of an existing one")
    text = _text(path, latin=suffix in (".sdf", ".sd"))
    if suffix == ".csv":
        yield from _csv(text, path.name, id_column, properties)
    else:
        yield from (_smi if suffix == ".smi" else _sdf)(text, path.name)


def _text(path: Path, *, latin: bool) -> str:
    """The text of a file in UTF-8 or, where allowed and it is no UTF-8, in Latin-1.

    Raises:
        InputError: The file cannot be read, or is no text.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {str(path)!r} ({error}); pass a readable file") from error
    try:
        if b"\0" in raw:
            raise ValueError("it holds zero bytes")
        return raw.decode("utf-8-sig")
    except ValueError as error:
        if latin and b"\0" not in raw:
            return raw.decode("latin-1")
        raise InputError(
            f"{str(path)!r} is no text in UTF-8 ({error}); check that it is the file that its "
            f"suffix names, or save it as UTF-8"
        ) from error


def _sdf(text: str, file: str) -> Iterator[Source]:
    if not text.strip():
        return
    records = Chem.SDMolSupplier()
    records.SetData(text, removeHs=False)
    for number in range(len(records)):
        mol = records[number]
        where = f" (record {number + 1} of {file})"
        block = records.GetItemText(number)
        n_blocks = sum(line.startswith("M  END") for line in block.splitlines())
        if n_blocks > 1:
            problem = f"it holds {n_blocks} mol blocks without a line $$$$ between them"
            yield Source(None, where=where, problem=problem)
        elif mol is not None:
            yield Source(mol, where=where)
        else:
            # Only the mol block is read, never a SMILES string stored beside it.
            reason = _chemistry_problem(Chem.MolFromMolBlock(block, sanitize=False))
            problem = f"its mol block cannot be parsed{reason}"
            yield Source(None, where=where, problem=problem)


def _smi(text: str, file: str) -> Iterator[Source]:
    for number, line in enumerate(text.splitlines(), 1):
        smiles, _, name = line.strip().replace("\t", " ").partition(" ")
        if smiles and not (number == 1 and smiles.lower() == "smiles"):
            yield Source(smiles, name.strip(), f" (line {number} of {file})")


def _csv(
    text: str, file: str, id_column: str | None, properties: Sequence[str]
) -> Iterator[Source]:
    rows = csv.reader(StringIO(text, newline=""), strict=True)
    try:
        names = next(rows, [])
        column = names.index(_smiles_column(names))
        named = None if id_column is None else names.index(_column(names, id_column))
        carried = {name: names.index(_column(names, name)) for name in properties}
        lines = [(rows.line_num, row) for row in rows if row]
        whole_rows = [len(row) == len(names) for _, row in lines]
        cells = [
            row[named].strip() if full and named is not None else ""
            for (_, row), full in zip(lines, whole_rows, strict=True)
        ]
        labels = labels_in_column(cells)
        for (line, row), full, label in zip(lines, whole_rows, labels, strict=True):
            where = f" (line {line} of {file})"
            if full:
                title = label if isinstance(label, str) else ""
                own = {key: row[at] for key, at in carried.items()}
                yield Source(row[column].strip(), title, where, id=label, row=own)
            else:
                problem = f"it has {len(row)} cells where the header has {len(names)}"
                yield Source(None, where=where, problem=problem)
    except csv.Error as error:
        raise InputError(
            f"line {rows.line_num} of {file} cannot be read as CSV ({error}); look for a quotation "
            f"mark that is open or stands inside a cell"
        ) from error


def _smiles_column(names: list[Any]) -> Any:
    found = [n for n in names if isinstance(n, str) and n.strip().lower() == "smiles"]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(f"the table has {len(found)} columns 'smiles'; keep one of them")
    shown = [str(name) for name in names]
    raise InputError(f"the table has no column 'smiles'; {nearest('smiles', shown)}; rename one")


def _column(names: list[Any], wanted: str) -> str:
    if names.count(wanted) == 1:
        return wanted
    shown = [str(name) for name in names]
    if wanted in names:
        raise InputError(f"the table has {names.count(wanted)} columns {brief(wanted)}; keep one")
    raise InputError(f"the table has no column {brief(wanted)}; {nearest(wanted, shown)}")


def _chemistry_problem(mol: Chem.Mol | None) -> str:
    """RDKit's reason for refusing a molecule, after a colon; empty where it gives no reason.

    Args:
        mol: The molecule without sanitization; ``None`` where its text is not well formed.
    """
    problems = [] if mol is None else Chem.DetectChemistryProblems(mol)
    return f": {problems[0].Message()}" if problems else ""
