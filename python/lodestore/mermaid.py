"""A diagram as text for Mermaid, which draws it in documents and on web pages."""

import re

#: Fill, stroke and text of each tier.
_COLOURS = {
    "manual": ("#E8F0E9", "#3E7A52", "#28513A"),
    "lookup": ("#F0F0F1", "#808285", "#5A5C5F"),
    "imported": ("#E0F4FC", "#00A0DF", "#00537A"),
    "computed": ("#FFEDE5", "#FF5113", "#B23200"),
    "part": ("#FFFFFF", "#B9BBBE", "#55585C"),
    "other": ("#FFFDE7", "#C9BC5B", "#6B6420"),
}
_EDGE, _RENAMED = "#171C39", "#C77D3A"
_SHAPES = {"imported": ("([", "])"), "computed": ("([", "])"), "other": ("((", "))")}


def tier_of(name):
    """The tier that a full table name tells, in lower case."""
    table = name.partition(".")[2]
    match = re.fullmatch(
        r"(#|__|_)?[a-z][a-z0-9]*(_[a-z][a-z0-9]*)*((?:__[a-z][a-z0-9]*(?:_[a-z][a-z0-9]*)*)*)", table
    )
    if match is None:
        return "other"
    if match[3]:
        return "part"
    return {"#": "lookup", "_": "imported", "__": "computed", None: "manual"}[match[1]]


def mermaid(diagram):
    """The text of a diagram."""
    labels, keys = diagram.labels(), diagram._keys
    lines = [f"flowchart {keys.connection.config['display.diagram_direction']}"]
    for tier, (fill, stroke, text) in _COLOURS.items():
        lines.append(f"  classDef {tier} fill:{fill},stroke:{stroke},color:{text}")
    schemas = dict.fromkeys(name.partition(".")[0] for name in diagram._names)
    for schema in schemas:
        lines.append(f'  subgraph {_id(schema)}["{schema}"]')
        lines += [
            f"    {_node(name, labels[name])}" for name in diagram._names if name.partition(".")[0] == schema
        ]
        lines.append("  end")
    styles = []
    for child, parent, columns in diagram.edges:
        heading = keys.table(child).primary_key
        own = {column for column, _ in columns}
        arrow = "-->" if own <= set(heading) else "-.->"
        lines.append(f"  {_id(parent)} {arrow} {_id(child)}")
        colour = _RENAMED if any(left != right for left, right in columns) else _EDGE
        styles.append(
            f"  linkStyle {len(styles)} stroke:{colour},stroke-width:{'2px' if own == set(heading) else '1px'}"
        )
    return "\n".join([*lines, *styles]) + "\n"


def _node(name, label):
    tier = tier_of(name)
    left, right = _SHAPES.get(tier, ("[", "]"))
    if tier == "part":
        label = label.rpartition(".")[2]
    return f'{_id(name)}{left}"{label}"{right}:::{tier}'


def _id(name):
    return re.sub(r"[^A-Za-z0-9_]", "_", name)
