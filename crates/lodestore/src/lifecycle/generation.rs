//! Which path content is to have whose own is condemned.

use std::collections::HashMap;

use lodestore_types::{Error, ErrorKind, Result, SchemaName, StorePath};

use super::intent::ROWS_AT_ONCE;
use super::object::generation_path;
use crate::Instance;

impl Instance {
    /// For those of some hash paths that are condemned: the path to use instead. Called when intents for all of them
    /// are written down; those that this gives are intended, and asked for, in turn.
    ///
    /// # Errors
    /// The database's.
    pub(crate) fn moved(&self, schema: &SchemaName, paths: &[&StorePath]) -> Result<HashMap<StorePath, StorePath>> {
        let mut moved = HashMap::new();
        let mut by_base: HashMap<&str, Vec<(&StorePath, i64)>> = HashMap::new();
        for path in paths {
            let (base, generation) = generation_of(path);
            by_base.entry(base).or_default().push((path, generation));
        }
        let bases: Vec<&str> = by_base.keys().copied().collect();
        let journal = self.journal(schema);
        for bases in bases.chunks(ROWS_AT_ONCE) {
            let ask = journal.condemned(bases)?;
            let rows = match self.outside(|connection| connection.query(&ask.sql, &ask.parameters)) {
                // Without a journal there was no collector.
                Err(error) if error.kind() == ErrorKind::MissingTable && self.lifecycle().folder.is_some() => continue,
                rows => rows?,
            };
            for row in rows {
                let (Some(base), Some(condemned)) = (row[0].as_str(), row[1].as_i64()) else {
                    return Err(
                        Error::new(ErrorKind::Corrupt, "the journal tells no generation").with("schema", schema)
                    );
                };
                for (path, generation) in by_base.get(base).into_iter().flatten() {
                    if *generation <= condemned {
                        moved.insert((*path).clone(), generation_path(base, condemned + 1)?);
                    }
                }
            }
        }
        Ok(moved)
    }
}

impl Instance {
    /// Condemns hash paths before their objects are released, because the same content is to lie in another store: what a row
    /// names is told by its path, whatever store it is in, so it must get another one there.
    ///
    /// # Errors
    /// The database's.
    pub(crate) fn leave_paths(&self, schema: &SchemaName, paths: &[&StorePath]) -> Result<()> {
        let mut latest: HashMap<&str, i64> = HashMap::new();
        for (base, generation) in paths.iter().map(|path| generation_of(path)) {
            let known = latest.entry(base).or_default();
            *known = generation.max(*known);
        }
        let latest: Vec<(&str, i64)> = latest.into_iter().collect();
        for paths in latest.chunks(ROWS_AT_ONCE) {
            let condemn = self.journal(schema).condemn(paths)?;
            self.outside(|connection| connection.execute(&condemn.sql, &condemn.parameters))?;
        }
        Ok(())
    }
}

/// The path of the next generation: for content that has the hash of other content, which is at this path.
///
/// # Errors
/// `InvalidName` if it becomes too long.
pub(crate) fn next_generation(path: &StorePath) -> Result<StorePath> {
    let (base, generation) = generation_of(path);
    generation_path(base, generation + 1)
}

/// The path of generation 0 of a hash path of ours, and its generation.
fn generation_of(path: &StorePath) -> (&str, i64) {
    let text = path.as_str();
    match text.rsplit_once('.').map(|(base, number)| (base, number.parse::<i64>())) {
        Some((base, Ok(generation))) => (base, generation),
        _ => (text, 0),
    }
}
