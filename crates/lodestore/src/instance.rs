//! One project: a database, its stores, its codecs and its settings.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard, Weak};
use std::time::Duration;

use lodestore_codec::{Chain, Codec, NativeBlobCodec, Registry, TypeSpec};
use lodestore_db::{Connection, Pool};
use lodestore_objects::Store;
use lodestore_sql::{Attribute, Dialect, Heading, Row as StoredRow, Statement};
use lodestore_types::{CoreType, Error, ErrorKind, FullTableName, PerProcess, Result, SchemaName, StorePath, Value};

use crate::backend;
use crate::config::{Config, StoreSpec};
use crate::lifecycle::Lifecycle;
use crate::protocols::{TransferSettings, open_store};
use crate::schema::Schema;
use crate::staged::Stages;
use crate::table::Table;
use crate::transaction::Transactions;

/// One project: a database, its stores, its codecs and its settings. Cloning shares it.
///
/// Each thread that uses an instance has its own connection and its own transactions.
#[derive(Clone)]
pub struct Instance(Arc<Inner>);

pub(crate) struct Inner {
    config: Arc<RwLock<Config>>,
    place: String,
    pool: Pool,
    dialect: Arc<dyn Dialect>,
    /// True if native blob columns hold packed values.
    legacy: bool,
    /// The folder in which intents are kept in files, if they are.
    intents: Option<PathBuf>,
    state: PerProcess<State>,
}

/// What an instance knows in one process.
struct State {
    codecs: RwLock<Registry>,
    stores: Mutex<HashMap<String, OpenStore>>,
    headings: Mutex<Headings>,
    transactions: Transactions,
    stages: Stages,
    lifecycle: Lifecycle,
    /// The objects that were read whole and verified, by store and path, with `read.verify` set to `first`.
    verified: Mutex<HashSet<(String, StorePath)>>,
}

/// The headings that were read, and the version of the catalog from which.
#[derive(Default)]
struct Headings {
    version: Option<Value>,
    known: HashMap<FullTableName, Arc<Heading>>,
}

type Finder = fn(&str) -> Result<Option<Arc<dyn Codec>>>;

static FINDER: OnceLock<Finder> = OnceLock::new();

/// Where all projects of this process look for codecs that are not registered with them; the first
/// call counts.
pub fn set_codec_finder(find: Finder) {
    let _ = FINDER.set(find);
}

/// A store with the settings by which it was opened.
#[derive(Clone)]
struct OpenStore {
    spec: StoreSpec,
    transfer: TransferSettings,
    store: Arc<dyn Store>,
}

impl Instance {
    /// The embedded project in `folder`, made if it is not there: an SQLite database and a store
    /// named `main`, both in that folder. No settings are read from anywhere.
    ///
    /// # Errors
    /// `LostConnection`, `Storage` or `Access` if the folder cannot be used.
    pub fn embedded(folder: impl AsRef<Path>) -> Result<Self> {
        let mut config = Config::default();
        config.set("database.backend", "sqlite".into())?;
        config.set("database.path", folder.as_ref().to_string_lossy().as_ref().into())?;
        Instance::open(config)
    }

    /// The project that the settings describe; without any, the embedded project in `./lodestore`.
    ///
    /// # Errors
    /// `InvalidConfig` for contradictory settings, and those of [`Instance::embedded`].
    pub fn open(config: Config) -> Result<Self> {
        Instance::open_shared(Arc::new(RwLock::new(config)))
    }

    /// Like [`Instance::open`], following settings that others share and may change at any time.
    ///
    /// # Errors
    /// As [`Instance::open`].
    pub fn open_shared(shared: Arc<RwLock<Config>>) -> Result<Self> {
        Instance::open_through(shared, |pool| pool)
    }

    /// Like [`Instance::open_shared`], but the database is the one that `database` names.
    ///
    /// # Errors
    /// As [`Instance::open`].
    pub fn open_elsewhere(shared: Arc<RwLock<Config>>, database: Config) -> Result<Self> {
        Instance::open_at(shared, database, |pool| pool)
    }

    /// Like [`Instance::open_shared`], with another way to the same database.
    pub(crate) fn open_through(shared: Arc<RwLock<Config>>, way: impl FnOnce(Pool) -> Pool) -> Result<Self> {
        let database = shared.read().unwrap_or_else(PoisonError::into_inner).clone();
        Instance::open_at(shared, database, way)
    }

    fn open_at(shared: Arc<RwLock<Config>>, mut database: Config, way: impl FnOnce(Pool) -> Pool) -> Result<Self> {
        lodestore_objects::set_interrupt_check(lodestore_db::interrupted);
        // The settings are not locked meanwhile: a warning may be shown, and a server may take its time.
        let opened = backend::open(&mut database)?;
        shared.write().unwrap_or_else(PoisonError::into_inner).adopt_embedded_store(&database);
        let legacy = shared.read().unwrap_or_else(PoisonError::into_inner).get_bool("legacy");
        let pool = way(opened.pool);
        let instance = Instance(Arc::new(Inner {
            config: shared,
            place: opened.place,
            pool,
            dialect: opened.dialect,
            legacy,
            intents: opened.intents,
            state: PerProcess::new(),
        }));
        instance.prepare()?;
        Ok(instance)
    }

    /// Makes a fresh database usable; one that is usable already is only read.
    fn prepare(&self) -> Result<()> {
        match self.query(&self.dialect().list_schemas()) {
            Err(error) if error.kind() == ErrorKind::MissingTable => {
                self.write(Vec::new(), |connection| run_all(connection, &self.dialect().prepare_database()))
            }
            outcome => outcome.map(drop),
        }
    }

    /// True if both are the same project, opened once.
    pub fn is_same(&self, other: &Instance) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Where the database lies.
    pub fn place(&self) -> &str {
        &self.0.place
    }

    /// The settings as they are shared.
    pub fn shared_config(&self) -> Arc<RwLock<Config>> {
        self.0.config.clone()
    }

    /// The settings.
    pub fn config(&self) -> RwLockReadGuard<'_, Config> {
        self.0.config.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the settings.
    ///
    /// # Errors
    /// Those of `change`; what it had changed by then stays.
    pub fn configure(&self, change: impl FnOnce(&mut Config) -> Result<()>) -> Result<()> {
        change(&mut self.0.config.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// The schema `name`, made if it is not there.
    ///
    /// # Errors
    /// `InvalidName`; otherwise the database's.
    pub fn schema(&self, name: &str) -> Result<Schema> {
        let name = SchemaName::new(name)?;
        self.making(&name, || {
            if !self.schema_exists(&name)? {
                self.check_case(&name)?;
                self.write(Vec::new(), |connection| run_all(connection, &self.dialect().create_schema(&name)))?;
            }
            Ok(())
        })?;
        self.recover(&name)?;
        Ok(Schema::new(self.clone(), name))
    }

    /// Makes something in a schema that other programs may be making at the same moment. Where the database lets one
    /// wait for the other, they do; what fails all the same, in the many ways in which databases report such a collision,
    /// is tried again: `make` looks first whether it is there.
    pub(crate) fn making<T>(&self, schema: &SchemaName, make: impl Fn() -> Result<T>) -> Result<T> {
        const ATTEMPTS: u64 = 6;
        if self.in_transaction() {
            return make();
        }
        let collides = |error: &Error| {
            // "It exists already" is an error of syntax to PostgreSQL.
            use ErrorKind::{Database, Duplicate, Integrity, LostConnection, MissingTable, QuerySyntax};
            matches!(error.kind(), Database | Duplicate | Integrity | LostConnection | MissingTable | QuerySyntax)
        };
        let mut attempt = 1;
        loop {
            let outcome = self.make_alone(schema, &make);
            match outcome {
                Err(error) if attempt < ATTEMPTS && collides(&error) => {
                    // Programs that began together should not go on together.
                    let spread = u64::from(std::process::id()) % 7;
                    std::thread::sleep(Duration::from_millis(attempt * (10 + 3 * spread)));
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// Runs `make` while no other program runs anything for the schema, where locks outlive transactions.
    fn make_alone<T>(&self, schema: &SchemaName, make: &impl Fn() -> Result<T>) -> Result<T> {
        let lock = self.dialect().named_lock(&format!("lodestore make {schema}"));
        let Some((take, give_back)) = lock.and_then(|lock| Some((lock.take, lock.give_back?))) else { return make() };
        self.query(&take)?;
        let outcome = make();
        // A connection that is lost has given it back.
        let _ = self.query(&give_back);
        outcome
    }

    /// Refuses a schema whose tables the embedded database could not tell from those of another: it ignores letter case.
    fn check_case(&self, name: &SchemaName) -> Result<()> {
        if self.dialect_name() != "sqlite" {
            return Ok(());
        }
        match self.schemas()?.into_iter().find(|known| known.eq_ignore_ascii_case(name.as_str())) {
            Some(known) => Err(Error::new(
                ErrorKind::InvalidName,
                format!("schema `{name}` differs only in letter case from schema `{known}`"),
            )
            .with_hint(format!("use `{known}`, or choose another name: embedded databases ignore letter case"))),
            None => Ok(()),
        }
    }

    /// The schema `name`, if it is there.
    ///
    /// # Errors
    /// As [`Instance::schema`].
    pub fn existing_schema(&self, name: &str) -> Result<Option<Schema>> {
        let name = SchemaName::new(name)?;
        if !self.schema_exists(&name)? {
            return Ok(None);
        }
        self.recover(&name)?;
        Ok(Some(Schema::new(self.clone(), name)))
    }

    /// The names of all schemas.
    ///
    /// # Errors
    /// The database's.
    pub fn schemas(&self) -> Result<Vec<String>> {
        let rows = self.query(&self.dialect().list_schemas())?;
        Ok(rows.iter().filter_map(|row| row[0].as_str().map(str::to_owned)).collect())
    }

    /// The table of this name.
    ///
    /// # Errors
    /// `MissingTable` if it is not there; otherwise the database's.
    pub fn table(&self, name: &FullTableName) -> Result<Table> {
        self.find_table(name)?
            .ok_or_else(|| Error::new(ErrorKind::MissingTable, format!("the table `{name}` is not defined")))
    }

    /// The full name of a table as the database's SQL has it.
    pub fn quoted_name(&self, table: &FullTableName) -> String {
        self.dialect().table(table)
    }

    pub(crate) fn find_table(&self, name: &FullTableName) -> Result<Option<Table>> {
        self.heading(name)?.map(|heading| Table::new(self.clone(), name.clone(), heading)).transpose()
    }

    pub(crate) fn schema_exists(&self, name: &SchemaName) -> Result<bool> {
        self.check_format(name)?;
        Ok(!self.query(&self.dialect().schema_exists(name))?.is_empty())
    }

    /// A schema whose layout is newer than this program is not touched: what it means is not known here.
    fn check_format(&self, schema: &SchemaName) -> Result<()> {
        let Some(ask) = self.dialect().schema_format(schema) else { return Ok(()) };
        let known = self.dialect().format_version();
        let rows = self.query(&ask)?;
        match rows.first().and_then(|row| row.first()).and_then(Value::as_i64) {
            Some(found) if found > known => Err(Error::new(
                ErrorKind::Unsupported,
                format!("schema `{schema}` has format {found}; this version of Lodestore knows formats up to {known}"),
            )
            .with_hint("install a newer Lodestore")),
            _ => Ok(()),
        }
    }

    /// Registers a codec of one's own.
    ///
    /// # Errors
    /// `InvalidRequest` if its name is taken.
    pub fn register_codec(&self, codec: Arc<dyn Codec>) -> Result<()> {
        self.state().codecs.write().unwrap_or_else(PoisonError::into_inner).register(codec)
    }

    /// True if this thread has a connection open: it may have been lost, which the next statement tells.
    pub fn is_open(&self) -> bool {
        self.0.pool.is_open()
    }

    /// Closes the connection of this thread; true if that rolled an open transaction back. The next use opens another.
    pub fn close(&self) -> bool {
        let rolled_back = self.forget_transaction();
        self.state().lifecycle.close();
        self.0.pool.close();
        rolled_back
    }

    /// The store `name`, opened if it is not open yet; `""` is the default one.
    ///
    /// # Errors
    /// `UnknownStore` or `InvalidConfig` from its settings, `Storage` if it cannot be reached.
    pub fn store(&self, name: &str) -> Result<Arc<dyn Store>> {
        let spec = self.store_spec(Some(name), false)?;
        let transfer = TransferSettings::of(&self.config());
        let is_same = |open: &&OpenStore| open.spec == spec && open.transfer == transfer;
        // A store whose settings have changed since is another store.
        if let Some(open) = lock(&self.state().stores).get(&spec.name).filter(is_same) {
            return Ok(open.store.clone());
        }
        let store = open_store(&spec, &transfer)?;
        lock(&self.state().stores).insert(spec.name.clone(), OpenStore { spec, transfer, store: store.clone() });
        Ok(store)
    }

    /// Uses `store` where the settings name a store of its name, instead of opening what they describe.
    ///
    /// # Errors
    /// `UnknownStore` if the settings name no such store.
    pub fn use_store(&self, store: Arc<dyn Store>) -> Result<()> {
        let spec = self.store_spec(Some(store.name()), false)?;
        let transfer = TransferSettings::of(&self.config());
        lock(&self.state().stores).insert(spec.name.clone(), OpenStore { spec, transfer, store });
        Ok(())
    }

    /// True if it takes what pipelines for DataJoint before 2.0 write (the setting `legacy`).
    pub(crate) fn is_legacy(&self) -> bool {
        self.0.legacy
    }

    /// The settings of a store, checked; `None` or `""` is the default one, for user's files a default of their own.
    ///
    /// # Errors
    /// `UnknownStore`, `InvalidConfig`.
    pub fn store_spec(&self, name: Option<&str>, filepath: bool) -> Result<StoreSpec> {
        let (name, entry) = self.config().store_entry(name, filepath)?;
        StoreSpec::new(&name, entry)
    }

    /// What is known in this process. A forked child takes codecs and stores over, which it cannot find again; its
    /// parent's transactions, intents and staged objects are none of its business.
    fn state(&self) -> &State {
        self.0.state.get_or_make(|inherited| {
            let codecs = inherited.and_then(|state| state.codecs.try_read().ok().map(|codecs| codecs.clone()));
            let stores = inherited.and_then(|state| state.stores.try_lock().ok().map(|stores| stores.clone()));
            State {
                codecs: RwLock::new(codecs.unwrap_or_else(|| builtin_codecs(self.0.legacy))),
                stores: Mutex::new(stores.unwrap_or_default()),
                headings: Mutex::default(),
                transactions: Transactions::default(),
                stages: Stages::default(),
                lifecycle: Lifecycle::new(&self.0.pool, self.0.intents.clone()),
                verified: Mutex::default(),
            }
        })
    }

    pub(crate) fn dialect(&self) -> &dyn Dialect {
        &*self.0.dialect
    }

    pub(crate) fn transactions(&self) -> &Transactions {
        &self.state().transactions
    }

    pub(crate) fn stages(&self) -> &Stages {
        &self.state().stages
    }

    /// True if what is read whole from this object is to be verified: the setting `read.verify`.
    pub(crate) fn verifies(&self, store: &str, path: &StorePath) -> bool {
        match self.config().get_text("read.verify").as_deref() {
            Some("never") => false,
            Some("first") => !lock(&self.state().verified).contains(&(store.to_owned(), path.clone())),
            _ => true,
        }
    }

    /// Notes that an object was verified.
    pub(crate) fn note_verified(&self, store: &str, path: &StorePath) {
        if self.config().get_text("read.verify").as_deref() == Some("first") {
            lock(&self.state().verified).insert((store.to_owned(), path.clone()));
        }
    }

    pub(crate) fn lifecycle(&self) -> &Lifecycle {
        &self.state().lifecycle
    }

    pub(crate) fn downgrade(&self) -> Weak<Inner> {
        Arc::downgrade(&self.0)
    }

    pub(crate) fn upgrade(weak: &Weak<Inner>) -> Option<Instance> {
        weak.upgrade().map(Instance)
    }

    pub(crate) fn chain(&self, codec: &str) -> Result<Chain> {
        let spec = TypeSpec::parse(codec)?;
        let codecs = self.state().codecs.read().unwrap_or_else(PoisonError::into_inner).clone();
        // The finder may run code of the user's: no lock is held then.
        codecs.resolve_with(&spec, &|name| FINDER.get().map_or(Ok(None), |find| find(name)))
    }

    /// The core type under a codec type.
    pub(crate) fn codec_core(&self, codec: &str) -> Result<CoreType> {
        Ok(self.chain(codec)?.core_type().clone())
    }

    pub(crate) fn with_connection<T>(&self, work: impl FnOnce(&mut dyn Connection) -> Result<T>) -> Result<T> {
        self.check_task()?;
        self.0.pool.with(work).inspect_err(|error| {
            // Another program may have altered the table; not every database tells it before.
            if error.kind() == ErrorKind::UnknownAttribute {
                lock(&self.state().headings).known.clear();
            }
        })
    }

    pub(crate) fn query(&self, statement: &Statement) -> Result<Vec<StoredRow>> {
        self.with_connection(|connection| connection.query(&statement.sql, &statement.parameters))
    }

    /// The heading of a table, read from the database once; again if some program has changed a table since.
    pub(crate) fn heading(&self, table: &FullTableName) -> Result<Option<Arc<Heading>>> {
        let version = self.catalog_version();
        {
            let mut headings = lock(&self.state().headings);
            if headings.version != version {
                headings.known.clear();
                headings.version.clone_from(&version);
            }
            if let Some(heading) = headings.known.get(table) {
                return Ok(Some(heading.clone()));
            }
        }
        self.check_format(&table.schema)?;
        let mut results = Vec::new();
        for statement in self.dialect().heading_queries(table) {
            results.push(match self.query(&statement) {
                Err(error) if error.kind() == ErrorKind::MissingTable && !results.is_empty() => Vec::new(),
                rows => rows?,
            });
            // The first one tells whether the table exists at all.
            if results[0].is_empty() {
                return Ok(None);
            }
        }
        let heading = self.dialect().read_heading(table, &results, &|codec| self.codec_core(codec))?;
        let heading = heading.map(|heading| Arc::new(self.with_declared_kinds(heading)));
        // Inside a transaction the table may yet vanish by a rollback.
        if let Some(heading) = heading.as_ref().filter(|_| !self.in_transaction()) {
            let mut headings = lock(&self.state().headings);
            // Another thread may know of a later change: then this one may be out of date.
            if headings.version == version {
                headings.known.insert(table.clone(), heading.clone());
            }
        }
        Ok(heading)
    }

    /// Gives attributes of which the database tells no more than how they are stored the types that were declared where
    /// they come from: a foreign key's columns say less than those that they refer to.
    fn with_declared_kinds(&self, mut heading: Heading) -> Heading {
        let own = heading.table.clone();
        if self.0.legacy {
            heading.attributes.iter_mut().filter(|attribute| is_native_blob(attribute)).for_each(|attribute| {
                attribute.kind.codec = Some("<longblob>".to_owned());
            });
        }
        for attribute in heading.attributes.iter_mut().filter(|attribute| attribute.kind.native.is_some()) {
            let origin = attribute.lineage.as_ref().and_then(lodestore_sql::Lineage::split);
            let Some((table, name)) = origin.filter(|(table, _)| Some(table) != own.as_ref()) else { continue };
            // What is gone, or not to be seen, tells nothing.
            if let Ok(Some(origin)) = self.heading(&table)
                && let Some(declared) = origin.get_any(&name)
            {
                attribute.kind = declared.kind.clone();
            }
        }
        heading
    }

    /// The version of the catalog. A connection that is busy cannot tell: what is known is believed then.
    fn catalog_version(&self) -> Option<Value> {
        let known = || lock(&self.state().headings).version.clone();
        let Some(ask) = self.dialect().catalog_version() else { return known() };
        match self.query(&ask) {
            Ok(rows) => rows.into_iter().next()?.into_iter().next(),
            Err(_) => known(),
        }
    }

    pub(crate) fn forget_headings(&self) {
        lock(&self.state().headings).known.clear();
    }

    pub(crate) fn forget_heading(&self, table: &FullTableName) {
        lock(&self.state().headings).known.remove(table);
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Instance({})", self.0.place)
    }
}

fn builtin_codecs(legacy: bool) -> Registry {
    let mut codecs = Registry::builtin();
    if legacy {
        // Its name is that of no other: registering it cannot fail.
        let _ = codecs.register(Arc::new(NativeBlobCodec));
    }
    codecs
}

fn is_native_blob(attribute: &Attribute) -> bool {
    let kind = &attribute.kind;
    kind.codec.is_none() && kind.native.is_some() && kind.core == CoreType::Bytes
}

/// Runs statements one after the other.
pub(crate) fn run_all(connection: &mut dyn Connection, statements: &[Statement]) -> Result<()> {
    for statement in statements {
        connection.execute(&statement.sql, &statement.parameters)?;
    }
    Ok(())
}

/// What a panicking thread held is still sound: every change of these maps is one step.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
