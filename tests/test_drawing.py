"""Diagrams as pictures: every way to draw one, and how often the database is asked for it."""

import importlib.util
import io
import json
import subprocess
import sys
import types
import xml.etree.ElementTree as ElementTree

import pytest

import lodestore as dj

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def lab(schema):
    @schema
    class Person(dj.Lookup):
        definition = "# who works here\nperson : varchar(9)\n---\nfull_name : varchar(80)"

    @schema
    class Session(dj.Manual):
        definition = "session : int32\n---\n-> Person.proj(operator='person')\nnote='' : varchar(200)"

        class Trial(dj.Part):
            definition = "-> master\ntrial : int16"

    @schema
    class Mean(dj.Computed):
        definition = "-> Session\n---\ntrace : <blob@>"

    return {"Person": Person, "Session": Session, "Mean": Mean}


def parts(svg):
    """The tooltip of each node and edge, with the shapes that have it."""
    root = ElementTree.fromstring(svg)
    return {group.find(f"{SVG}title").text: group for group in root.iter(f"{SVG}g")}


def drawn(svg, start):
    return next(group for title, group in parts(svg).items() if title.startswith(start))


def test_a_picture_tells_tiers_keys_and_attributes(lab, schema):
    svg = dj.Diagram(schema, lab).make_svg()
    assert svg == svg.data == svg._repr_svg_() == dj.Diagram(schema, lab)._repr_svg_()
    tooltips = parts(svg)
    person = next(title for title in tooltips if title.startswith(f"{schema.database}.#person\n"))
    assert person == (
        f"{schema.database}.#person\nwho works here\n\nperson : varchar(9)\n---\nfull_name : varchar(80)"
    )
    # The type of an attribute that a foreign key brings is that of the parent's.
    trial = next(title for title in tooltips if "session__trial\n" in title)
    assert trial.endswith("\nsession : int32\ntrial : int16")
    mean = next(title for title in tooltips if "__mean\n" in title)
    assert mean.endswith("\nsession : int32\n---\ntrace : <blob@>")
    for table, kind, label, underlined in [
        ("#person", "lookup", "Person", True),
        ("session", "manual", "Session", True),
        ("session__trial", "part", "Trial", True),
        ("__mean", "computed", "Mean", False),
    ]:
        node = drawn(svg, f"{schema.database}.{table}\n")
        text = node.find(f"{SVG}text")
        assert node.find(f"{SVG}rect").get("class") == f"box-{kind}" and text.text == label
        assert (text.get("text-decoration") == "underline") is underlined
    renamed = tooltips["Session → Person\noperator = person"].find(f"{SVG}path")
    assert renamed.get("class") == "line-renamed" and renamed.get("stroke-dasharray")
    one_to_one = tooltips["Mean → Session"].find(f"{SVG}path")
    assert one_to_one.get("stroke-width") == "2.6" and not one_to_one.get("stroke-dasharray")
    assert tooltips["Trial → Session"].find(f"{SVG}path").get("stroke-width") == "1.1"


def test_settings_change_direction_and_theme(lab, schema, project):
    diagram = dj.Diagram(schema, lab)

    def place(table):
        rect = drawn(diagram.svg_string(), f"{schema.database}.{table}\n").find(f"{SVG}rect")
        return float(rect.get("x")), float(rect.get("y"))

    assert place("#person")[0] < place("session")[0] < place("__mean")[0]
    assert "@media (prefers-color-scheme: dark)" in diagram.svg_string()
    with project.config.override(display__diagram_direction="TB", display__diagram_theme="dark"):
        assert place("#person")[1] < place("session")[1] < place("__mean")[1]
        assert "@media" not in diagram.svg_string() and "#14171C" in diagram.svg_string()
        assert "#14171C" in diagram.make_dot() and "#14171C" not in diagram.make_dot(theme="light")
        assert diagram.make_mermaid().startswith("flowchart TB\n")
    with pytest.raises(dj.DataJointError, match="theme `x`"):
        diagram.make_dot("x")


def test_a_notebook_gets_a_page_a_picture_and_text(lab, schema):
    diagram = dj.Diagram(schema, lab)
    bundle = diagram._repr_mimebundle_()
    assert set(bundle) == {"text/html", "image/svg+xml", "text/plain"}
    assert bundle["image/svg+xml"] in bundle["text/html"] and bundle["text/plain"] == repr(diagram)


def test_collapsed_schemas(lab, schema):
    whole = dj.Diagram(schema, lab)
    assert "collapsed" not in "".join(group.find(f"{SVG}rect").get("class") for group in nodes(whole))
    folded = whole.collapse()
    (node,) = nodes(folded)
    assert node.find(f"{SVG}text").text == f"{schema.database} (4 tables)"
    mixed = folded + lab["Mean"]
    labels = sorted(group.find(f"{SVG}text").text for group in nodes(mixed))
    assert labels == ["Mean", f"{schema.database} (3 tables)"]
    # What is added to a collapsed diagram by steps is shown.
    stepped = dj.Diagram(lab["Person"], lab).collapse() + 1
    assert sorted(group.find(f"{SVG}text").text for group in nodes(stepped)) == [
        "Session",
        f"{schema.database} (1 table)",
    ]
    assert len(nodes(folded - lab["Mean"])) == 1 and len(folded + whole) == 4 == len(nodes(folded + whole))
    assert '[["' in folded.make_mermaid() and "box3d" in folded.make_dot()


def nodes(diagram):
    """The groups of shapes that have a label."""
    return [group for group in parts(diagram.svg_string()).values() if group.find(f"{SVG}text") is not None]


def test_a_module_names_the_box_of_its_schema(lab, schema):
    module = types.ModuleType("ephys")
    vars(module).update(lab)
    svg = dj.Diagram(schema, {"ephys": module}).svg_string()
    texts = [text.text for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    assert "ephys" in texts and "Session" in texts and schema.database not in texts
    # A schema of which nothing is known has the names that its tables tell.
    svg = dj.Diagram(schema, {}).svg_string()
    texts = [text.text for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    assert {schema.database, "Session", "Trial", "Mean", "Person"} == set(texts)


@pytest.mark.parametrize("package", ["resvg_py", "matplotlib"])
def test_pixels(lab, schema, package, monkeypatch, tmp_path):
    pytest.importorskip(package)
    only(monkeypatch, package, "matplotlib.image", "PIL")
    diagram = dj.Diagram(schema, lab)
    file = diagram.make_png()
    assert isinstance(file, io.BytesIO) and file.getvalue().startswith(b"\x89PNG\r\n")
    image = diagram.make_image()
    size = ElementTree.fromstring(diagram.svg_string())
    expected = [2 * float(size.get(side)) for side in ("height", "width")]
    assert (
        image.shape[2] == 4
        and [abs(a - b) <= 2 for a, b in zip(image.shape, expected, strict=False)] == [True] * 2
    )
    # White paper, and colours of the tables on it.
    assert (image[image.shape[0] // 2, 2, :3] == 1).all() and (image[..., :3] < 0.5).any()
    green = abs(image[..., :3] - [0xDD / 255, 0xF1 / 255, 0xE2 / 255]).max(axis=2) < 0.01
    assert green.sum() > 1000
    diagram.save(tmp_path / "lab.png")
    assert (tmp_path / "lab.png").read_bytes().startswith(b"\x89PNG")


def only(monkeypatch, *packages):
    """Hides the packages that can make pixels, except those named."""
    find = importlib.util.find_spec
    hidden = {"resvg_py", "matplotlib", "PIL"} - {package.partition(".")[0] for package in packages}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in hidden else find(name))


def test_without_the_packages_an_error_names_the_extra(lab, schema, monkeypatch, tmp_path):
    only(monkeypatch)
    diagram = dj.Diagram(schema, lab)
    for make in (
        diagram.make_png,
        diagram.make_image,
        diagram.draw,
        lambda: diagram.save(tmp_path / "x.png"),
    ):
        with pytest.raises(dj.DataJointError, match="resvg-py") as caught:
            make()
        assert "lodestore[diagrams]" in caught.value.hint
    assert not (tmp_path / "x.png").exists()


def test_a_figure(lab, schema, monkeypatch):
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("agg")
    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(plt.gcf()))
    dj.Diagram(schema, lab).draw()
    (figure,) = shown
    assert figure.axes[0].images[0].get_array().shape[2] == 4
    plt.close(figure)


def test_files(lab, schema, tmp_path):
    diagram = dj.Diagram(schema, lab)
    for name, start in [
        ("a.svg", "<svg "),
        ("a.mmd", "flowchart LR"),
        ("a.mermaid", "flowchart LR"),
        ("a.dot", "digraph {"),
        ("a.gv", "digraph {"),
    ]:
        diagram.save(str(tmp_path / name))
        assert (tmp_path / name).read_text(encoding="utf-8").startswith(start)
    diagram.save(tmp_path / "a.txt", format="mermaid")
    assert (tmp_path / "a.txt").read_text() == diagram.make_mermaid()
    for name, kind in [("b.txt", None), ("b", None), ("b.svg", "pdf")]:
        with pytest.raises(dj.DataJointError, match="format"):
            diagram.save(tmp_path / name, kind)
        assert not (tmp_path / name).exists()


@pytest.mark.databases("sqlite")
def test_the_command_draws_the_same(lab, schema, project, tmp_path):
    folder = str(project.config["database.path"])

    def command(*arguments):
        ran = subprocess.run(
            [sys.executable, "-m", "lodestore", "diagram", "--project", folder, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
        )
        return ran.returncode, ran.stdout, ran.stderr

    assert command(schema.database) == (0, dj.Diagram(schema, {}).svg_string(), "")
    assert command("--format", "mermaid")[1] == dj.Diagram(schema, {}).make_mermaid()
    path = tmp_path / "lab.dot"
    assert command("-o", str(path))[0] == 0 and path.read_text() == dj.Diagram(schema, {}).make_dot()
    status, _, error = command("nothing")
    assert status == 1 and "there is no schema `nothing`" in error
    status, _, error = command("--json", "-o", str(tmp_path / "lab.pdf"))
    assert status == 1 and "no format" in json.loads(error)["error"]


@pytest.mark.databases("mariadb", "mysql")
def test_the_database_is_asked_as_often_for_many_tables_as_for_few(schema, project):
    """Three times for each schema: what grows with tables would make large pipelines slow."""

    def declare(first, last):
        for n in range(first, last):
            parent = f"-> Table{n - 1}\n" if n % 5 else ""
            table = type(f"Table{n}", (dj.Manual,), {"definition": f"{parent}key{n} : int8\n---\nx : int16"})
            declared[table.__name__] = schema(table, context=declared)

    def asked():
        ((_, count),) = project.connection.query("SHOW SESSION STATUS LIKE 'Questions'").fetchall()
        return int(count)

    def questions():
        before = asked()
        dj.Diagram(schema, declared).svg_string()
        return asked() - before

    declared = {}
    declare(0, 5)
    few = questions()
    declare(5, 40)
    assert questions() == few < 20
    assert len(nodes(dj.Diagram(schema, declared))) == 40
