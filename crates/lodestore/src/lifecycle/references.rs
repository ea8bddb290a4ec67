//! References: which objects the rows of a database name.
//!
//! All columns of codecs count, in every schema, by the path alone: stores may have several names, and rows may have been
//! copied from schema to schema. Columns without a type marker count as well if they hold documents: another tool may have
//! removed their comments. A column that cannot be read, a value without a path, a schema that may be hidden from this
//! user, and a column whose recorded codec lost its marker are errors: then nothing is deleted.

use std::collections::{HashMap, HashSet};

use lodestore_codec::{TypeSpec, manifest};
use lodestore_sql::heading::split_marker;
use lodestore_sql::{Access, Content, ObjectColumn, Statement};
use lodestore_types::{Error, ErrorKind, FullTableName, Result, SchemaName, StorePath, TableName, Value};
use serde_json::Value as Json;

use super::object::{Object, owners};
use crate::Instance;

/// So many paths are looked up by one statement.
const PATHS_AT_ONCE: usize = 400;
/// So often references are read if tables come and go meanwhile.
const ATTEMPTS: usize = 3;
/// Codecs whose columns name one object, under `path`.
const KNOWN: [&str; 4] = ["hash", "npy", "object", "filepath"];

/// The columns that may name objects.
pub(crate) struct References<'a> {
    instance: &'a Instance,
    columns: Vec<Column>,
}

struct Column {
    table: FullTableName,
    name: String,
    form: Form,
}

/// Where the values of a column name objects.
pub(super) enum Form {
    /// Under `path`.
    Path,
    /// Anywhere in them.
    Anywhere,
    /// Anywhere in those for which this condition holds.
    If(String),
}

/// Paths to look for.
struct Wanted<'a> {
    exact: HashMap<&'a str, Vec<usize>>,
    /// What else names wanted objects: see [`owners`].
    above: HashMap<&'a str, Vec<usize>>,
    trees: Vec<(usize, &'a str)>,
}

impl<'a> References<'a> {
    /// Finds the columns. `schema` is the one whose objects are at stake: all of its tables must be seen.
    ///
    /// # Errors
    /// `Access` if the user may not see all tables; otherwise the database's.
    pub(crate) fn load(instance: &'a Instance, schema: &SchemaName) -> Result<Self> {
        let dialect = instance.dialect();
        let schemas = instance.schemas_with_tables()?;
        if let Some(ask) = dialect.rights() {
            let names: Vec<SchemaName> = schemas.iter().map(|(name, _)| name.clone()).collect();
            if let Some(grant) = dialect.missing_right(&instance.query(&ask)?, &names) {
                return Err(unseen(
                    "this user may not read every schema of the server, and unseen rows may name objects",
                )
                .with("schema", schema)
                .with_hint(format!("collect as a user who reads all schemas, or have an administrator run: {grant}")));
            }
        }
        let rows = instance.query(&dialect.object_columns(schema, &schemas))?;
        let mut found = rows.iter().map(ObjectColumn::read).collect::<Result<Vec<_>>>()?;
        let unmarked = |column: &ObjectColumn| split_marker(&column.comment).0.is_none();
        if let Some(views) = dialect.views().filter(|_| found.iter().any(unmarked)) {
            let views = instance.query(&views)?;
            let is_view = |column: &ObjectColumn| {
                let names = |row: &Vec<Value>| {
                    (row[0].as_str(), row[1].as_str()) == (Some(&column.schema), Some(&column.table))
                };
                views.iter().any(names)
            };
            found.retain(|column| !is_view(column));
        }
        instance.refuse_lost_markers(&found)?;
        let mut columns = Vec::new();
        for column in found {
            let Some(form) = form_of(instance, &column, schema)? else { continue };
            match column.access {
                Access::Granted => {}
                Access::Apart => continue,
                Access::Denied => {
                    return Err(unseen("this user may not read a column that may name objects")
                        .with("table", format!("{}.{}", column.schema, column.table))
                        .with("attribute", &column.name)
                        .with_hint(format!("collect as a user who may read it, or run: {}", dialect.grant(&column))));
                }
                Access::Filtered => {
                    return Err(unseen("a row-level security policy may hide rows that name objects")
                        .with("table", format!("{}.{}", column.schema, column.table))
                        .with_hint("collect as the owner of the table, or as a user with BYPASSRLS"));
                }
            }
            let table = FullTableName {
                schema: SchemaName::existing(column.schema)?,
                table: TableName::existing(column.table)?,
            };
            columns.push(Column { table, name: column.name, form });
        }
        Ok(References { instance, columns })
    }

    /// Which of some objects rows name, by their places in the list, as all tables are at one moment: a row that is
    /// moved from one to another, or into one that has just been made, is found in one of them.
    ///
    /// # Errors
    /// As [`References::load`] and [`References::named`].
    pub(crate) fn of_one_moment(
        instance: &'a Instance,
        schema: &SchemaName,
        objects: &[&Object],
    ) -> Result<HashSet<usize>> {
        let look = || instance.in_snapshot(|| References::load(instance, schema)?.named(objects));
        // A table that is made, altered or dropped at that moment may not be readable as of that moment.
        let again = |error: &Error| {
            use ErrorKind::{Database, MissingTable, UnknownAttribute};
            matches!(error.kind(), Database | MissingTable | UnknownAttribute)
        };
        for _ in 1..ATTEMPTS {
            match look() {
                Err(error) if again(&error) => {}
                outcome => return outcome,
            }
        }
        look()
    }

    /// Which of some objects rows name, by their places in the list.
    ///
    /// # Errors
    /// The database's; `Corrupt` for a value that tells no path.
    pub(crate) fn named(&self, objects: &[&Object]) -> Result<HashSet<usize>> {
        let wanted = Wanted::new(objects);
        let mut named = HashSet::new();
        for column in &self.columns {
            match column.form {
                Form::Path => self.look_up(column, &wanted, &mut named)?,
                Form::Anywhere | Form::If(_) => self.each_text(column, &mut |text| {
                    wanted.find(text, &mut named);
                    Ok(())
                })?,
            }
        }
        Ok(named)
    }

    fn look_up(&self, column: &Column, wanted: &Wanted<'_>, named: &mut HashSet<usize>) -> Result<()> {
        let dialect = self.instance.dialect();
        let (table, quoted) = (dialect.table(&column.table), dialect.quote(&column.name));
        let path = dialect.json_word(&quoted, "path");
        let (key, kept) = dialect.path_key(&quoted);
        let beginning = |path: String| match path.char_indices().nth(kept) {
            Some((end, _)) => path[..end].to_owned(),
            None => path,
        };
        let paths: Vec<&str> = wanted.exact.keys().chain(wanted.above.keys()).copied().collect();
        let trees: Vec<&str> = wanted.trees.iter().map(|(_, path)| *path).collect();
        let chunks = paths.len().div_ceil(PATHS_AT_ONCE).max(trees.len().div_ceil(PATHS_AT_ONCE)).max(1);
        for chunk in 0..chunks {
            let part = |all: &[&str]| -> Vec<String> {
                all.chunks(PATHS_AT_ONCE).nth(chunk).unwrap_or_default().iter().map(|path| (*path).to_owned()).collect()
            };
            let (exact, trees) = (part(&paths), part(&trees));
            let mut parameters: Vec<Value> = Vec::new();
            let mut place = |value: String| {
                parameters.push(beginning(value).into());
                dialect.placeholder(parameters.len())
            };
            // A value without a path could name anything.
            let mut conditions = vec![format!("{key} IS NULL")];
            if !exact.is_empty() {
                let places: Vec<String> = exact.into_iter().map(&mut place).collect();
                conditions.push(format!("{key} IN ({})", places.join(", ")));
            }
            for tree in trees {
                // What stands behind `/` in the order of bytes is `0`.
                let (low, high) = (beginning(format!("{tree}/")), beginning(format!("{tree}0")));
                conditions.push(match low == high {
                    true => format!("{key} = {}", place(low)),
                    false => format!("({key} >= {} AND {key} < {})", place(low), place(high)),
                });
            }
            let sql = format!(
                "SELECT DISTINCT {path} FROM {table} WHERE {quoted} IS NOT NULL AND ({})",
                conditions.join(" OR ")
            );
            for row in
                self.instance.query(&Statement { sql, parameters }).map_err(|error| self.unread(error, column))?
            {
                match row.first().and_then(Value::as_str) {
                    Some(text) => wanted.find(text, named),
                    None => return Err(self.pathless(column)),
                }
            }
        }
        Ok(())
    }

    /// Hands over every text that may be a reference.
    ///
    /// # Errors
    /// As [`References::named`].
    pub(crate) fn each(&self, visit: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
        let dialect = self.instance.dialect();
        for column in &self.columns {
            if !matches!(column.form, Form::Path) {
                self.each_text(column, visit)?;
                continue;
            }
            let quoted = dialect.quote(&column.name);
            let sql = format!(
                "SELECT {} FROM {} WHERE {quoted} IS NOT NULL",
                dialect.json_word(&quoted, "path"),
                dialect.table(&column.table)
            );
            let read = self.instance.with_connection(|connection| {
                connection.query_each(&sql, &[], &mut |row| match row.first().and_then(Value::as_str) {
                    Some(text) => visit(text),
                    None => Err(self.pathless(column)),
                })
            });
            read.map_err(|error| self.unread(error, column))?;
        }
        Ok(())
    }

    /// Hands over every text in the values of a column of which nothing is known.
    fn each_text(&self, column: &Column, visit: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
        let dialect = self.instance.dialect();
        let quoted = dialect.quote(&column.name);
        let mut sql = format!("SELECT {quoted} FROM {} WHERE {quoted} IS NOT NULL", dialect.table(&column.table));
        if let Form::If(condition) = &column.form {
            sql.push_str(&format!(" AND {condition}"));
        }
        let read = self.instance.with_connection(|connection| {
            connection.query_each(&sql, &[], &mut |row| match row.first() {
                Some(Value::Text(text)) => match serde_json::from_str::<Json>(text) {
                    Ok(document) => each_string(&document, visit),
                    Err(_) => visit(text),
                },
                Some(Value::Json(document)) => each_string(document, visit),
                Some(Value::Bytes(bytes)) => match serde_json::from_slice::<Json>(bytes) {
                    Ok(document) => each_string(&document, visit),
                    Err(_) => each_run(bytes, visit),
                },
                _ => Ok(()),
            })
        });
        read.map_err(|error| self.unread(error, column))
    }

    fn unread(&self, error: Error, column: &Column) -> Error {
        if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::Corrupt) {
            return error;
        }
        Error::new(error.kind(), "nothing is deleted: the references in a column could not be read")
            .with("table", &column.table)
            .with("attribute", &column.name)
            .with_source(error)
    }

    fn pathless(&self, column: &Column) -> Error {
        Error::new(ErrorKind::Corrupt, "nothing is deleted: a value tells no path, so it may name any object")
            .with("table", &column.table)
            .with("attribute", &column.name)
            .with_hint("look for values of this attribute without `path`, and mend or delete their rows")
    }
}

fn unseen(why: &str) -> Error {
    Error::new(ErrorKind::Access, format!("nothing is deleted: {why}"))
}

/// Where the values of a column name objects of a schema; `None` if they name none.
pub(super) fn form_of(instance: &Instance, column: &ObjectColumn, owner: &SchemaName) -> Result<Option<Form>> {
    let dialect = instance.dialect();
    let Some(declared) = split_marker(&column.comment).0 else {
        // Every path of the schema's sections has its name in it; JSON may spell other letters as escapes.
        let word = owner.as_str();
        let quoted = dialect.quote(&column.name);
        return Ok(match column.content {
            Content::Other => None,
            content if word.is_ascii() => Some(Form::If(dialect.mentions(&quoted, content, word))),
            _ => Some(Form::Anywhere),
        });
    };
    let form = match TypeSpec::parse(declared) {
        Err(_) if !declared.contains('@') => return Ok(None),
        Err(_) => Form::Anywhere,
        Ok(_) => match instance.chain(declared) {
            Ok(chain) => {
                let last = chain.codecs().last().map(|codec| codec.name().to_owned()).unwrap_or_default();
                match (chain.store().is_some(), KNOWN.contains(&last.as_str())) {
                    (true, true) => Form::Path,
                    (true, false) => Form::Anywhere,
                    // Values in the table; but what a codec of others does with a store is not known.
                    (false, _) if matches!(last.as_str(), "blob" | "attach") => return Ok(None),
                    (false, _) => Form::Anywhere,
                }
            }
            Err(_) => Form::Anywhere,
        },
    };
    Ok(Some(form))
}

impl<'a> Wanted<'a> {
    fn new(objects: &[&'a Object]) -> Self {
        let mut wanted = Wanted { exact: HashMap::new(), above: HashMap::new(), trees: Vec::new() };
        for (at, object) in objects.iter().enumerate() {
            let path = object.path.as_str();
            wanted.exact.entry(path).or_default().push(at);
            owners(path).skip(1).for_each(|owner| wanted.above.entry(owner).or_default().push(at));
            if object.tree {
                wanted.trees.push((at, path));
            }
        }
        wanted
    }

    /// Notes which objects a text names.
    fn find(&self, text: &str, named: &mut HashSet<usize>) {
        let text = spelled(text);
        let mut add = |found: Option<&Vec<usize>>| named.extend(found.into_iter().flatten().copied());
        add(self.exact.get(&*text));
        add(self.above.get(&*text));
        // A file in a folder that is wanted, or the manifest beside it.
        for (end, _) in text.match_indices('/') {
            add(self.exact.get(&text[..end]));
        }
        if let Some(path) = text.strip_suffix(manifest::SUFFIX) {
            add(self.exact.get(path));
        }
    }
}

/// A path in the one spelling that ours have, as far as other programs spell them otherwise.
pub(super) fn spelled(text: &str) -> std::borrow::Cow<'_, str> {
    if StorePath::new(text).is_ok() {
        return text.into();
    }
    let segments: Vec<&str> =
        text.split(['/', '\\']).filter(|segment| !segment.is_empty() && *segment != ".").collect();
    segments.join("/").into()
}

fn each_string(document: &Json, visit: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
    match document {
        Json::String(text) => visit(text),
        Json::Array(items) => items.iter().try_for_each(|item| each_string(item, visit)),
        Json::Object(entries) => entries.iter().try_for_each(|(key, value)| {
            visit(key)?;
            each_string(value, visit)
        }),
        _ => Ok(()),
    }
}

/// Hands over the stretches of bytes that could be a path.
fn each_run(bytes: &[u8], visit: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
    let ends = |byte: &u8| *byte < 0x20 || matches!(*byte, b'"' | b'\'' | b'\\');
    for run in bytes.split(ends).filter(|run| run.len() > 8) {
        if let Ok(text) = std::str::from_utf8(run) {
            visit(text)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_names_an_object_is_found() {
        let object = |path: &str, tree| Object { store: String::new(), path: StorePath::new(path).unwrap(), tree };
        let objects = [
            object("_schema/lab/T/id=1/x.npy", false),
            object("_schema/lab/T/id=2/folder", true),
            object("_schema/lab/T/id=3/folder.manifest.json", false),
        ];
        let objects: Vec<&Object> = objects.iter().collect();
        let wanted = Wanted::new(&objects);
        let found = |text: &str| {
            let mut named = HashSet::new();
            wanted.find(text, &mut named);
            let mut named: Vec<usize> = named.into_iter().collect();
            named.sort_unstable();
            named
        };
        assert_eq!(found("_schema/lab/T/id=1/x.npy"), [0]);
        assert_eq!(found("/_schema//lab/./T/id=1/x.npy"), [0]);
        assert_eq!(found("_schema/lab/T"), [0, 1, 2]);
        assert_eq!(found("_schema/lab/T/id=3/folder"), [2]);
        assert_eq!(found("_schema/lab/T/id=2/folder/0/1.bin"), [1]);
        assert_eq!(found("_schema/lab/T/id=2/folder.manifest.json"), [1]);
        for other in ["_schema/lab/T/id=1/x.np", "_schema/lab/T/id=2/folder2/x", "_schema", "", "x"] {
            assert!(found(other).is_empty(), "{other}");
        }
    }
}
