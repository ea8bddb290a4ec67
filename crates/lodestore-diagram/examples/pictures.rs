//! Draws the ten schemas of the tests, in both directions, into a folder: `cargo run --example pictures -- FOLDER`.

#[path = "../tests/schemas.rs"]
mod schemas;

use std::time::Instant;

use lodestore_diagram::Theme;

fn main() -> std::io::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    for (name, diagram) in schemas::all() {
        for (suffix, diagram) in [("lr", diagram.clone()), ("tb", schemas::turned(&diagram))] {
            let begun = Instant::now();
            let svg = diagram.svg(Theme::Auto);
            println!("{name}_{suffix}: {} tables, {:?}", diagram.nodes.len(), begun.elapsed());
            std::fs::write(format!("{folder}/{name}_{suffix}.svg"), svg)?;
        }
    }
    Ok(())
}
