//! The diagram in the language DOT, for Graphviz.

use std::fmt::Write;

use crate::paint::edge_details;
use crate::{Diagram, Direction, Kind, Line, Theme};

pub(crate) fn dot(diagram: &Diagram, theme: Theme) -> String {
    let palette = theme.palette();
    let direction = match diagram.direction {
        Direction::LeftToRight => "LR",
        Direction::TopToBottom => "TB",
    };
    let mut text = format!(
        "digraph {{\n  graph [rankdir={direction}, bgcolor=\"{}\", fontname=\"Helvetica\", fontsize=11]\n  node \
         [style=\"filled,rounded\", shape=box, fontname=\"Helvetica\", fontsize=12, height=0.35]\n  edge [dir=none]\n",
        palette.canvas.fill
    );
    for (group, told) in diagram.groups.iter().enumerate() {
        let colours = palette.group;
        let _ = writeln!(text, "  subgraph {} {{", quote(&format!("cluster_{}", told.name)));
        let _ = writeln!(
            text,
            "    graph [label={}, labeljust=l, style=\"filled,rounded\", fillcolor=\"{}\", color=\"{}\", fontcolor=\"{}\"]",
            quote(&told.title),
            colours.fill,
            colours.stroke,
            colours.text
        );
        write_nodes(&mut text, diagram, theme, Some(group), "    ");
        text += "  }\n";
    }
    write_nodes(&mut text, diagram, theme, None, "  ");
    for (index, edge) in diagram.edges.iter().enumerate() {
        let colour = if edge.renamed.is_empty() { palette.canvas.text } else { palette.renamed };
        let style = if edge.line == Line::Secondary { "dashed" } else { "solid" };
        let width = if edge.line == Line::OneToOne { 2.6 } else { 1.0 };
        let _ = writeln!(
            text,
            "  {} -> {} [style={style}, penwidth={width}, color=\"{colour}\", tooltip={}]",
            quote(&diagram.nodes[edge.parent].name),
            quote(&diagram.nodes[edge.child].name),
            quote(&edge_details(diagram, index))
        );
    }
    text + "}\n"
}

fn write_nodes(text: &mut String, diagram: &Diagram, theme: Theme, group: Option<usize>, indent: &str) {
    for node in diagram.nodes.iter().filter(|node| node.group == group) {
        let colours = theme.palette().of(node.kind);
        let shape = match node.kind {
            Kind::Imported | Kind::Computed => ", shape=ellipse, style=filled",
            Kind::Lookup => ", style=filled",
            Kind::Part => ", fontsize=10, height=0.25",
            Kind::Other => ", style=\"filled,dashed\"",
            Kind::Collapsed => ", shape=box3d, style=filled",
            Kind::Manual => "",
        };
        let _ = writeln!(
            text,
            "{indent}{} [label={}, tooltip={}, fillcolor=\"{}\", color=\"{}\", fontcolor=\"{}\"{shape}]",
            quote(&node.name),
            quote(&node.label),
            quote(if node.details.is_empty() { &node.name } else { &node.details }),
            colours.fill,
            colours.stroke,
            colours.text
        );
    }
}

fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
