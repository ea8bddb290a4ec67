//! The diagram as a flowchart of Mermaid, which documents and web pages draw.

use std::collections::HashSet;
use std::fmt::Write;

use crate::{Diagram, Direction, Kind, Line, Theme};

pub(crate) fn mermaid(diagram: &Diagram) -> String {
    let palette = Theme::Light.palette();
    let direction = match diagram.direction {
        Direction::LeftToRight => "LR",
        Direction::TopToBottom => "TB",
    };
    let mut text = format!("flowchart {direction}\n");
    for kind in Kind::ALL {
        let colours = palette.of(kind);
        let (fill, stroke, ink) = (colours.fill, colours.stroke, colours.text);
        let _ = writeln!(text, "  classDef {} fill:{fill},stroke:{stroke},color:{ink}", kind.name());
    }
    let names = diagram.nodes.iter().map(|node| node.name.as_str());
    let ids = identifiers(names.chain(diagram.groups.iter().map(|group| group.name.as_str())));
    for (group, told) in diagram.groups.iter().enumerate() {
        let _ = writeln!(text, "  subgraph {}[\"{}\"]", ids[diagram.nodes.len() + group], escape(&told.title));
        write_nodes(&mut text, diagram, &ids, Some(group), "    ");
        text += "  end\n";
    }
    write_nodes(&mut text, diagram, &ids, None, "  ");
    for edge in &diagram.edges {
        let arrow = if edge.line == Line::Secondary { "-.->" } else { "-->" };
        let _ = writeln!(text, "  {} {arrow} {}", ids[edge.parent], ids[edge.child]);
    }
    for (index, edge) in diagram.edges.iter().enumerate() {
        let colour = if edge.renamed.is_empty() { palette.canvas.text } else { palette.renamed };
        let width = if edge.line == Line::OneToOne { 2 } else { 1 };
        let _ = writeln!(text, "  linkStyle {index} stroke:{colour},stroke-width:{width}px");
    }
    text
}

fn write_nodes(text: &mut String, diagram: &Diagram, ids: &[String], group: Option<usize>, indent: &str) {
    for (index, node) in diagram.nodes.iter().enumerate().filter(|(_, node)| node.group == group) {
        let (left, right) = match node.kind {
            Kind::Imported | Kind::Computed => ("([", "])"),
            Kind::Other => ("((", "))"),
            Kind::Collapsed => ("[[", "]]"),
            Kind::Manual | Kind::Lookup | Kind::Part => ("[", "]"),
        };
        let _ = writeln!(text, "{indent}{}{left}\"{}\"{right}:::{}", ids[index], escape(&node.label), node.kind.name());
    }
}

fn escape(text: &str) -> String {
    text.replace('#', "#35;").replace('"', "#quot;")
}

/// Names of letters, digits and underscores, each different from all others.
fn identifiers<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut met = HashSet::new();
    names
        .map(|name| {
            let mut id: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
            while !met.insert(id.clone()) {
                id.push('_');
            }
            // A lower-case `end` would close a group.
            if id == "end" { "End".to_owned() } else { id }
        })
        .collect()
}
