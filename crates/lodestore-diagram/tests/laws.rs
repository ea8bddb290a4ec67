//! What every drawing must satisfy.

use std::time::{Duration, Instant};

use lodestore_diagram::{Diagram, Direction, Edge, Group, Kind, Line, Node, Rect, Theme};
use proptest::prelude::*;

use crate::schemas;

/// Complains about the first law that a drawing breaks.
fn check(diagram: &Diagram) -> Result<(), String> {
    let layout = diagram.layout();
    let canvas = Rect { x: 0.0, y: 0.0, width: layout.width, height: layout.height };
    let name = |node: usize| &diagram.nodes[node].name;
    for (index, rect) in layout.nodes.iter().enumerate() {
        if !canvas.contains(rect) {
            return Err(format!("{} is outside the drawing", name(index)));
        }
        if let Some(other) = (0..index).find(|other| layout.nodes[*other].overlaps(rect)) {
            return Err(format!("{} and {} overlap", name(index), name(other)));
        }
        for (group, frame) in layout.groups.iter().enumerate() {
            let own = diagram.nodes[index].group == Some(group);
            if own && !frame.contains(rect) || !own && frame.overlaps(rect) {
                return Err(format!("{} and the frame of {}", name(index), diagram.groups[group].name));
            }
            if rect.overlaps(&layout.titles[group]) {
                return Err(format!("{} and the title of {}", name(index), diagram.groups[group].name));
            }
        }
    }
    for (index, frame) in layout.groups.iter().enumerate() {
        if !canvas.contains(frame) || !frame.contains(&layout.titles[index]) {
            return Err(format!("the frame of {}", diagram.groups[index].name));
        }
        if layout.groups[..index].iter().any(|other| other.overlaps(frame)) {
            return Err(format!("the frame of {} overlaps another one", diagram.groups[index].name));
        }
    }
    for (edge, curve) in diagram.edges.iter().zip(&layout.edges) {
        let (parent, child) = (&layout.nodes[edge.parent], &layout.nodes[edge.child]);
        let told = format!("the edge from {} to {}", name(edge.parent), name(edge.child));
        let attached = layout.cards.iter().any(|card| card.contains(parent) && card.contains(child));
        let forward = match diagram.direction {
            Direction::LeftToRight => parent.right() < child.x,
            Direction::TopToBottom => parent.bottom() < child.y,
        };
        if !attached && !forward && edge.parent != edge.child {
            return Err(format!("{told} leads backwards"));
        }
        if !parent.grown(0.6).contains(&point(curve.start)) || !child.grown(0.6).contains(&point(curve.end())) {
            return Err(format!("{told} does not end at its tables"));
        }
        if curve.points().into_iter().any(|at| !canvas.contains(&point(at))) {
            return Err(format!("{told} leaves the drawing"));
        }
        let others = (0..diagram.nodes.len()).filter(|node| *node != edge.parent && *node != edge.child);
        // Parts that follow each other stand on the line from their master, which they hide.
        let crossed = others.filter(|_| !attached).find(|node| curve.crosses(&layout.nodes[*node].grown(-0.5)));
        if let Some(other) = crossed {
            return Err(format!("{told} crosses {}", name(other)));
        }
    }
    if diagram.svg(Theme::Auto) != diagram.clone().svg(Theme::Auto) {
        return Err("the drawing is another one each time".to_owned());
    }
    Ok(())
}

fn point((x, y): (f64, f64)) -> Rect {
    Rect { x, y, width: 0.0, height: 0.0 }
}

#[test]
fn ten_schemas() {
    for (name, diagram) in schemas::all() {
        for diagram in [diagram.clone(), schemas::turned(&diagram)] {
            let begun = Instant::now();
            let svg = diagram.svg(Theme::Auto);
            assert!(begun.elapsed() < Duration::from_secs(5), "{name} took {:?}", begun.elapsed());
            assert_eq!(svg.matches("<g>").count(), diagram.nodes.len() + diagram.edges.len() + diagram.groups.len());
            if let Err(fault) = check(&diagram) {
                panic!("{name}, {:?}: {fault}", diagram.direction);
            }
        }
    }
}

#[test]
fn few_edges_cross_where_none_need_to() {
    // A tree can be drawn without a crossing.
    let mut text = "t.N0 M\n".to_owned();
    for n in 1..60 {
        text += &format!("t.N{n} C : N{}\n", (n * 7 + 3) % n);
    }
    let diagram = schemas::read(&text);
    let layout = diagram.layout();
    let ends: Vec<_> = diagram.edges.iter().map(|edge| (layout.nodes[edge.parent], layout.nodes[edge.child])).collect();
    for (index, (parent, child)) in ends.iter().enumerate() {
        for (other_parent, other_child) in &ends[..index] {
            let same_channel = parent.x == other_parent.x && child.x == other_child.x;
            let crossed = (parent.y - other_parent.y) * (child.y - other_child.y) < 0.0;
            assert!(!(same_channel && crossed));
        }
    }
}

#[test]
fn long_edges_are_straight() {
    let layout = schemas::chain(12).layout();
    assert!(layout.edges.iter().all(|edge| edge.points().iter().all(|(_, y)| (y - edge.start.1).abs() < 0.1)));
}

#[test]
fn a_parent_is_in_the_middle_of_its_children() {
    let diagram = schemas::read("t.A M\nt.B C : A\nt.C C : A\n");
    let layout = diagram.layout();
    let middle = |node: usize| layout.nodes[node].y + layout.nodes[node].height / 2.0;
    assert!((middle(0) * 2.0 - middle(1) - middle(2)).abs() <= 1.0);
}

#[test]
fn cycles_and_nothing_at_all_can_be_drawn() {
    let mut diagram = schemas::read("t.A M\nt.B C : A\nt.C C : B\n");
    diagram.edges.push(Edge { parent: 2, child: 0, line: Line::Secondary, renamed: Vec::new() });
    let layout = diagram.layout();
    assert!(layout.nodes[0].right() < layout.nodes[1].x && layout.nodes[1].right() < layout.nodes[2].x);
    assert!(layout.edges[2].start.0 > layout.edges[2].end().0);
    assert!(Diagram::default().svg(Theme::Light).ends_with("</svg>\n"));
}

#[test]
fn text_of_any_kind_is_escaped() {
    let label = "a<b & \"c\"\u{1}\n# 神経".to_owned();
    let node = Node { name: "t.\"x\"".into(), label: label.clone(), details: label, ..Node::default() };
    let groups = vec![Group { name: "<g>".into(), title: "\"<g>\"".into() }];
    let diagram = Diagram { nodes: vec![Node { group: Some(0), ..node }], groups, ..Diagram::default() };
    let svg = diagram.svg(Theme::Dark);
    assert!(svg.contains("a&lt;b &amp; &quot;c&quot;\n# 神経</title>") && !svg.contains('\u{1}'));
    assert!(diagram.mermaid().contains("#quot;c#quot;"));
    assert!(diagram.dot(Theme::Light).contains("\"t.\\\"x\\\"\""));
}

#[test]
fn mermaid_and_dot_tell_the_same() {
    let diagram = &schemas::all()[2].1;
    let mermaid = diagram.mermaid();
    assert!(mermaid.starts_with("flowchart LR\n") && mermaid.contains("  subgraph lab[\"lab\"]\n"));
    assert!(mermaid.contains("    lab_Unit([\"Unit\"]):::imported\n    lab_Unit_Spike[\"Spike\"]:::part\n"));
    assert!(mermaid.contains("  lab_Person -.-> lab_Session\n") && mermaid.contains("  lab_Session --> lab_Unit\n"));
    assert_eq!(mermaid.matches("linkStyle").count(), diagram.edges.len());
    assert_eq!(mermaid.matches("stroke-width:2px").count(), 1);
    let dot = diagram.dot(Theme::Light);
    assert_eq!(dot.matches(" -> ").count(), diagram.edges.len());
    assert!(dot.contains("subgraph \"cluster_lab\"") && dot.contains("[style=dashed") && dot.contains("operator = id"));
}

#[test]
fn renamed_and_one_to_one_foreign_keys_are_marked() {
    let svg = schemas::all()[2].1.svg(Theme::Light);
    assert_eq!(svg.matches("<circle ").count(), 7);
    assert_eq!(svg.matches("stroke-width=\"2.6\"").count(), 1);
    assert!(svg.contains("<title>Session → Person\noperator = id</title>"));
    assert!(!svg.contains("@media") && schemas::all()[2].1.svg(Theme::Auto).contains("@media"));
}

/// Tables with parents among those before them, parts, and schemas.
fn any_diagram() -> impl Strategy<Value = Diagram> {
    let table = (
        0usize..4,
        0usize..6,
        prop::collection::vec((any::<prop::sample::Index>(), 0usize..3, any::<bool>()), 0..4),
        1usize..30,
    );
    (prop::collection::vec(table, 1..40), any::<bool>(), 1usize..5).prop_map(|(tables, turned, groups)| {
        let mut diagram = Diagram {
            groups: (0..groups).map(|n| Group { name: format!("s{n}"), title: "schema ".repeat(n) }).collect(),
            direction: if turned { Direction::TopToBottom } else { Direction::LeftToRight },
            ..Diagram::default()
        };
        for (index, (group, kind, parents, length)) in tables.into_iter().enumerate() {
            let mut node = Node {
                name: format!("n{index}"),
                label: "m".repeat(length),
                kind: Kind::ALL[kind],
                group: Some(group).filter(|group| *group < groups && *group != 3),
                ..Node::default()
            };
            for (at, (parent, line, renamed)) in parents.into_iter().enumerate().filter(|_| index > 0) {
                let parent = parent.index(index);
                if at == 0 && node.kind == Kind::Part {
                    node.master = Some(parent);
                    node.group = diagram.nodes[parent].group;
                }
                let line = [Line::OneToOne, Line::InKey, Line::Secondary][line];
                let renamed = if renamed { vec![("a".to_owned(), "b".to_owned())] } else { Vec::new() };
                diagram.edges.push(Edge { parent, child: index, line, renamed });
            }
            diagram.nodes.push(node);
        }
        // A group without a table has no frame.
        let used: Vec<usize> =
            (0..groups).filter(|group| diagram.nodes.iter().any(|node| node.group == Some(*group))).collect();
        diagram
            .nodes
            .iter_mut()
            .for_each(|node| node.group = node.group.and_then(|group| used.iter().position(|other| *other == group)));
        diagram.groups = used.into_iter().map(|group| diagram.groups[group].clone()).collect();
        diagram
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn laws_hold_for_any_diagram(diagram in any_diagram()) {
        if let Err(fault) = check(&diagram) {
            prop_assert!(false, "{fault}");
        }
    }
}
