//! Usage: how many objects and bytes rows own, and what a delete would free.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use lodestore_objects::{Store, each};
use lodestore_types::{Error, ErrorKind, FullTableName, Reference, Result, SchemaName};
use serde_json::{Value as Json, json};

use crate::references::{References, fingerprint, tables_of};
use crate::{DeleteOptions, Instance, Query, Schema};

/// So many sizes that no row tells are asked for at once.
const SIZES_TOGETHER: usize = 2048;

/// What the values of an attribute own in a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsageRow {
    /// The schema.
    pub schema: String,
    /// The table's name in the database.
    pub table: String,
    /// The attribute.
    pub attribute: String,
    /// The store.
    pub store: String,
    /// Values that name an object.
    pub values: u64,
    /// Different objects among them; a folder is one.
    pub objects: u64,
    /// Their sizes.
    pub bytes: u64,
}

/// What rows own: attribute by attribute, and together.
///
/// An object that several rows share counts once in each line, and once in every sum.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// One line for each attribute and store.
    pub attributes: Vec<UsageRow>,
    /// By `schema.table`: objects and bytes.
    pub tables: BTreeMap<String, (u64, u64)>,
    /// By schema.
    pub schemas: BTreeMap<String, (u64, u64)>,
    /// By store.
    pub stores: BTreeMap<String, (u64, u64)>,
    /// Different objects in all.
    pub objects: u64,
    /// Their sizes.
    pub bytes: u64,
    /// Values that name an object.
    pub values: u64,
    /// Values whose size is not known: neither the row nor the store tells it.
    pub unknown: u64,
    /// Objects and bytes that no row of these schemas names but deleted ones that may come back: what is freed when the
    /// time for that is over. They are in no other sum.
    pub kept: (u64, u64),
}

impl UsageRow {
    fn of(name: &FullTableName, attribute: &str, store: &str) -> Self {
        UsageRow {
            schema: name.schema.to_string(),
            table: name.table.to_string(),
            attribute: attribute.to_owned(),
            store: store.to_owned(),
            ..UsageRow::default()
        }
    }
}

impl Usage {
    /// As JSON.
    pub fn to_json(&self) -> Json {
        let sums = |sums: &BTreeMap<String, (u64, u64)>| -> Json {
            let sum = |(name, (objects, bytes)): (&String, &(u64, u64))| {
                (name.clone(), json!({"objects": objects, "bytes": bytes}))
            };
            Json::Object(sums.iter().map(sum).collect())
        };
        let line = |line: &UsageRow| {
            json!({
                "schema": line.schema, "table": line.table, "attribute": line.attribute, "store": line.store,
                "values": line.values, "objects": line.objects, "bytes": line.bytes,
            })
        };
        json!({
            "attributes": self.attributes.iter().map(line).collect::<Vec<_>>(),
            "tables": sums(&self.tables),
            "schemas": sums(&self.schemas),
            "stores": sums(&self.stores),
            "values": self.values,
            "objects": self.objects,
            "bytes": self.bytes,
            "unknown": self.unknown,
            "kept": {"objects": self.kept.0, "bytes": self.kept.1},
        })
    }
}

impl Instance {
    /// What the rows of schemas own in stores; without names, those of all schemas. Sizes are those that rows tell; only where
    /// a row tells none the store is asked. Files that their users manage do not count.
    ///
    /// # Errors
    /// `MissingTable` for a schema that is not there; `Corrupt` for a value that names no object; the database's.
    ///
    /// ```
    /// use lodestore::{Instance, NdArray, Tier, row};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let project = Instance::embedded(folder.path())?;
    /// let trace = project.schema("lab")?.declare("Trace", Tier::Manual, "id : int32\n---\ndata : <blob@>")?;
    /// // Equal content is one object.
    /// trace.insert((0..3).map(|id| row! { "id" => id, "data" => "the same" }))?;
    /// let usage = project.usage(&[])?;
    /// assert_eq!((usage.values, usage.objects), (3, 1));
    /// # Ok::<(), lodestore::Error>(())
    /// ```
    pub fn usage(&self, schemas: &[&str]) -> Result<Usage> {
        let all = self.schemas()?;
        let schemas: Vec<&str> =
            if schemas.is_empty() { all.iter().map(String::as_str).collect() } else { schemas.to_vec() };
        let mut count = Count::new(self);
        for schema in &schemas {
            for name in tables_of(self, schema)? {
                if let Some(table) = self.find_table(&name)? {
                    count.add(&name, &table)?;
                }
            }
            count.in_schema.clear();
        }
        let mut usage = count.usage;
        let mut deleted = Count { usage: Usage::default(), in_schema: HashSet::new(), ..count };
        for schema in &schemas {
            for name in self.kept_tables(&SchemaName::new(*schema)?)? {
                if let Some(table) = self.find_table(&name)? {
                    deleted.add(&name, &table)?;
                }
            }
        }
        usage.kept = (deleted.usage.objects, deleted.usage.bytes);
        Ok(usage)
    }
}

impl Schema {
    /// Like [`Instance::usage`], for this schema.
    ///
    /// # Errors
    /// As [`Instance::usage`].
    pub fn usage(&self) -> Result<Usage> {
        self.instance().usage(&[self.name()])
    }
}

impl Query {
    /// What these rows of a table own; nothing is said of rows that depend on them.
    ///
    /// # Errors
    /// As [`Instance::usage`]; `InvalidRequest` if this is more than a restricted table.
    pub fn usage(&self) -> Result<Usage> {
        let Some(name) = self.heading().table.clone() else {
            return Err(Error::new(ErrorKind::InvalidRequest, "only rows of a table own objects")
                .with_hint("restrict a table; do not join or aggregate it"));
        };
        let mut count = Count::new(self.instance());
        count.add(&name, self)?;
        Ok(count.usage)
    }

    /// What deleting these rows, and all that depend on them, would free: the objects that no row would name any more.
    /// Nothing is deleted; while it is found out, no other program can write to an embedded database.
    ///
    /// # Errors
    /// As [`Query::delete`] and [`Instance::usage`]; `InvalidRequest` inside a transaction.
    pub fn usage_of_delete(&self, options: DeleteOptions) -> Result<Usage> {
        let instance = self.instance();
        if instance.in_transaction() {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                "what a delete would free cannot be told in a transaction",
            )
            .with_hint("ask before the transaction begins"));
        }
        let mut tables = Vec::new();
        for schema in instance.schemas()? {
            tables.extend(tables_of(instance, &schema)?);
        }
        let mut owned = Owned::default();
        owned.read(instance, &tables, &mut |owned, number, line, size| {
            owned.objects.entry(number).or_insert((line, size));
        })?;
        instance.begin()?;
        let outcome = self.delete_for_good(options).and_then(|_| {
            owned.read(instance, &tables, &mut |owned, number, _, _| {
                owned.objects.remove(&number);
            })
        });
        instance.rollback()?;
        outcome.map(|()| owned.total())
    }
}

/// Told of a value that names an object: the object, its line, and its size if the row tells it.
type Meet<'a> = dyn FnMut(&mut Owned, u128, usize, Option<u64>) + 'a;

/// The objects that rows name, each with the first attribute that does and its size.
#[derive(Default)]
struct Owned {
    lines: Vec<UsageRow>,
    objects: HashMap<u128, (usize, Option<u64>)>,
}

impl Owned {
    /// Calls `met` for every value that names an object, with the object, its line and its size.
    fn read(&mut self, instance: &Instance, tables: &[FullTableName], met: &mut Meet<'_>) -> Result<()> {
        let mut stores = HashMap::new();
        for name in tables {
            let Some(table) = instance.find_table(name)? else { continue };
            let Some(references) = References::of(&table)? else { continue };
            let attributes = references.attributes().to_vec();
            for batch in references {
                for (attribute, _, reference) in batch?.cells {
                    let told = &attributes[attribute];
                    if told.codec == "filepath" {
                        continue;
                    }
                    let reference = reference.map_err(|error| error.with("table", name))?;
                    let open = || instance.store(&reference.store).ok();
                    let store = stores.entry(reference.store.clone()).or_insert_with(open);
                    let number = number_of(store.as_ref(), &reference);
                    let line = self.line(name, &told.name, &reference.store);
                    met(self, number, line, reference.size());
                }
            }
        }
        Ok(())
    }

    fn line(&mut self, name: &FullTableName, attribute: &str, store: &str) -> usize {
        let is_it = |line: &UsageRow| {
            line.attribute == attribute
                && line.store == store
                && line.table == name.table.as_str()
                && line.schema == name.schema.as_str()
        };
        // The latest is likely the one.
        self.lines.iter().rposition(is_it).unwrap_or_else(|| {
            self.lines.push(UsageRow::of(name, attribute, store));
            self.lines.len() - 1
        })
    }

    /// What these objects come to.
    fn total(mut self) -> Usage {
        let mut usage = Usage::default();
        for (line, size) in self.objects.values() {
            let line = &mut self.lines[*line];
            line.objects += 1;
            line.bytes += size.unwrap_or_default();
            usage.objects += 1;
            usage.bytes += size.unwrap_or_default();
            usage.unknown += u64::from(size.is_none());
        }
        for line in self.lines.into_iter().filter(|line| line.objects > 0) {
            for (sums, name) in [
                (&mut usage.tables, format!("{}.{}", line.schema, line.table)),
                (&mut usage.schemas, line.schema.clone()),
                (&mut usage.stores, line.store.clone()),
            ] {
                let sum = sums.entry(name).or_default();
                *sum = (sum.0 + line.objects, sum.1 + line.bytes);
            }
            usage.attributes.push(line);
        }
        usage
    }
}

/// Counts what tables own, one table after the other, those of a schema together.
struct Count<'a> {
    instance: &'a Instance,
    usage: Usage,
    in_all: HashSet<u128>,
    in_schema: HashSet<u128>,
    stores: HashMap<String, Option<Arc<dyn Store>>>,
}

/// An object whose size no row tells.
struct Unmeasured {
    store: Arc<dyn Store>,
    number: u128,
    reference: Reference,
    line: usize,
    values: u64,
}

impl<'a> Count<'a> {
    fn new(instance: &'a Instance) -> Self {
        Count {
            instance,
            usage: Usage::default(),
            in_all: HashSet::new(),
            in_schema: HashSet::new(),
            stores: HashMap::new(),
        }
    }

    fn add(&mut self, name: &FullTableName, query: &Query) -> Result<()> {
        let in_table = |error: Error| error.with("table", name);
        let Some(references) = References::of(query).map_err(in_table)? else { return Ok(()) };
        let attributes = references.attributes().to_vec();
        let mut lines: HashMap<(usize, String), usize> = HashMap::new();
        let mut seen = Seen::default();
        let mut unmeasured = Vec::new();
        for batch in references {
            let batch = batch.map_err(in_table)?;
            for (attribute, row, reference) in &batch.cells {
                let told = &attributes[*attribute];
                if told.codec == "filepath" {
                    continue;
                }
                let reference = reference.as_ref().map_err(|error| {
                    Error::new(error.kind(), error.message())
                        .with("table", name)
                        .with("attribute", &told.name)
                        .with("row", Json::Object(batch.key(*row)))
                        .with_hint("`verify` tells of all such rows")
                })?;
                let line = *lines.entry((*attribute, reference.store.clone())).or_insert_with(|| {
                    self.usage.attributes.push(UsageRow::of(name, &told.name, &reference.store));
                    self.usage.attributes.len() - 1
                });
                let store = self.store(&reference.store);
                let number = number_of(store.as_ref(), reference);
                match (reference.size(), store) {
                    (Some(size), _) => self.put(&mut seen, name, line, number, size),
                    (None, Some(store)) => {
                        unmeasured.push(Unmeasured { store, number, reference: reference.clone(), line, values: 1 });
                    }
                    (None, None) => self.usage.unknown += 1,
                }
            }
            if unmeasured.len() >= SIZES_TOGETHER {
                self.measure(&mut seen, name, std::mem::take(&mut unmeasured))?;
            }
        }
        self.measure(&mut seen, name, unmeasured)
    }

    fn measure(&mut self, seen: &mut Seen, name: &FullTableName, objects: Vec<Unmeasured>) -> Result<()> {
        let sizes = each(&objects, |object| &object.store, |object| object.store.size(&object.reference.path))?;
        for (object, size) in objects.iter().zip(sizes) {
            match size {
                Ok(Some(size)) => self.put(seen, name, object.line, object.number, size),
                _ => self.usage.unknown += object.values,
            }
        }
        Ok(())
    }

    /// A value that names an object of this size.
    fn put(&mut self, seen: &mut Seen, name: &FullTableName, line: usize, number: u128, size: u64) {
        let add = |sum: &mut (u64, u64)| *sum = (sum.0 + 1, sum.1 + size);
        let attribute = &mut self.usage.attributes[line];
        self.usage.values += 1;
        attribute.values += 1;
        if seen.in_line.insert((line, number)) {
            attribute.objects += 1;
            attribute.bytes += size;
        }
        if seen.in_table.insert(number) {
            add(self.usage.tables.entry(name.to_string()).or_default());
        }
        if self.in_schema.insert(number) {
            add(self.usage.schemas.entry(name.schema.to_string()).or_default());
        }
        if self.in_all.insert(number) {
            add(self.usage.stores.entry(attribute.store.clone()).or_default());
            self.usage.objects += 1;
            self.usage.bytes += size;
        }
    }

    fn store(&mut self, name: &str) -> Option<Arc<dyn Store>> {
        self.stores.entry(name.to_owned()).or_insert_with(|| self.instance.store(name).ok()).clone()
    }
}

/// What was met in a table.
#[derive(Default)]
struct Seen {
    in_line: HashSet<(usize, u128)>,
    in_table: HashSet<u128>,
}

/// Two values name the same object if path and place of the store are the same, whatever the store is called.
fn number_of(store: Option<&Arc<dyn Store>>, reference: &Reference) -> u128 {
    let place = store.map_or_else(|| reference.store.clone(), |store| store.url(None));
    fingerprint(&[&place, reference.path.as_str()])
}
