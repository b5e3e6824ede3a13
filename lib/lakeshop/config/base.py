"""The kinds of values that the configuration is made of.

YAML files of the configuration and the contracts: plain values, each key once, no bombs.

PyYAML's safe loader makes no objects but lets a later key win silently, and a file of a kilobyte
whose anchors repeat each other grows to any size as soon as something writes it out.
"""

from collections.abc import Hashable
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]


class FrozenModel(BaseModel):
    """A value of the configuration: unknown keys are an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


LARGEST = 2**20  # bytes
DEEPEST = 100  # values within values
MOST_VALUES = 100_000  # with all that anchors repeat


class _Loader(yaml.CSafeLoader):
    """The safe loader of libyaml. A key that stands twice, or is no text, is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """The mapping, after a look at its keys as they are written."""
        seen: set[str] = set()
        for key, _ in node.value:
            fault = None
            if not isinstance(key, yaml.ScalarNode) or not key.tag.endswith((":str", ":merge")):
                fault = "a key that is no text"
            elif key.value in seen:
                fault = f"key {key.value!r} twice"
            if fault:
                raise yaml.MarkedYAMLError(None, None, fault, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def read_document(path: Traversable | Path) -> object:
    """Read a YAML file.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it cannot be read, or is not such YAML; the text says what was received.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            msg = f"more than {LARGEST} bytes"
            raise ValueError(msg)
        text = content.decode("utf-8")
        _assert_flat(text)
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _size(node, {})
        return loader.construct_document(node)
    except FileNotFoundError:
        raise
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from None


def _assert_flat(text: str) -> None:
    """Refuse values nested too deep, of which libyaml's nodes would overflow the stack.

    Raises:
        ValueError: values are nested deeper than `DEEPEST`.
    """
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            msg = "values nested too deep"
            raise ValueError(msg)


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """The values below a node, those that anchors repeat as often as they do."""
    if id(node) in known:
        if not known[id(node)]:
            msg = "an anchor within itself"
            raise ValueError(msg)
        return known[id(node)]
    known[id(node)] = 0  # at work on it
    size = 1
    if isinstance(node, yaml.SequenceNode):
        size += sum(_size(child, known) for child in node.value)
    elif isinstance(node, yaml.MappingNode):
        size += sum(_size(part, known) for pair in node.value for part in pair)
    if size > MOST_VALUES:
        msg = f"more than {MOST_VALUES} values, with all that anchors repeat"
        raise ValueError(msg)
    known[id(node)] = size
    return size
