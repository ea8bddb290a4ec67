//! Settings for Python.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use lodestore::config;
use pyo3::prelude::*;

use crate::convert::{json_from_python, json_to_python};
use crate::error::IntoPyResult;

/// The settings of a project, shared with the instances that follow them.
#[pyclass(frozen, module = "lodestore._lodestore")]
pub(crate) struct Config(Arc<RwLock<config::Config>>);

impl Config {
    /// The settings that a project follows.
    pub(crate) fn of(instance: &lodestore::Instance) -> Self {
        Config(instance.shared_config())
    }

    pub(crate) fn shared(&self) -> Arc<RwLock<config::Config>> {
        self.0.clone()
    }

    pub(crate) fn copied(&self) -> config::Config {
        self.read(Clone::clone)
    }

    fn read<T>(&self, work: impl FnOnce(&config::Config) -> T) -> T {
        work(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, work: impl FnOnce(&mut config::Config) -> T) -> T {
        work(&mut self.0.write().unwrap_or_else(PoisonError::into_inner))
    }
}

#[pymethods]
impl Config {
    /// The settings that environment, secrets and file give.
    #[staticmethod]
    fn load(py: Python<'_>) -> PyResult<Self> {
        Ok(Config(Arc::new(RwLock::new(config::Config::load().into_py(py)?))))
    }

    /// The names of all settings but the stores.
    #[staticmethod]
    fn keys() -> Vec<&'static str> {
        config::KEYS.iter().map(|key| key.name).collect()
    }

    /// The environment variable of a setting; None if there is no such setting.
    #[staticmethod]
    fn variable(name: &str) -> Option<&'static str> {
        config::KEYS.iter().find(|key| key.name == name).map(|key| key.variable)
    }

    /// Why a file of settings must not be read, as another user may have put it there; None if it may.
    #[staticmethod]
    fn untrusted(path: PathBuf) -> Option<String> {
        config::untrusted(&path)
    }

    /// Writes a file of settings to begin with.
    #[staticmethod]
    fn save_template(
        py: Python<'_>,
        project: Option<&Config>,
        path: PathBuf,
        minimal: bool,
        create_secrets_dir: bool,
    ) -> PyResult<PathBuf> {
        let project = project.map(Config::copied);
        config::save_template(project.as_ref(), &path, minimal, create_secrets_dir).into_py(py)
    }

    /// The folder of the embedded project that the settings mean, if it does not exist yet.
    fn missing_project(&self) -> Option<PathBuf> {
        self.read(|settings| settings.embedded_folder().filter(|_| !settings.has_project()))
    }

    fn load_file(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        self.write(|settings| settings.load_file_below(&path, &config::Sources::real())).into_py(py)
    }

    fn get<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let value = self.read(|settings| settings.get(name)).into_py(py)?;
        json_to_python(py, &value)
    }

    fn set(&self, py: Python<'_>, name: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let value = json_from_python(value).into_py(py)?;
        self.write(|settings| settings.set(name, value)).into_py(py)
    }

    fn warnings(&self) -> Vec<String> {
        self.read(|settings| settings.warnings().to_vec())
    }

    fn file(&self) -> Option<PathBuf> {
        self.read(|settings| settings.file().map(PathBuf::from))
    }

    fn is_unconfigured(&self) -> bool {
        self.read(config::Config::is_unconfigured)
    }

    /// All settings, secrets masked.
    fn masked<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let masked = self.read(config::Config::masked);
        json_to_python(py, &serde_json::Value::Object(masked))
    }

    /// A store as it is configured, with defaults filled in.
    fn store_spec<'py>(&self, py: Python<'py>, store: Option<&str>, filepath: bool) -> PyResult<Bound<'py, PyAny>> {
        let (name, entry) = self.read(|settings| settings.store_entry(store, filepath)).into_py(py)?;
        let spec = config::StoreSpec::new(&name, entry).into_py(py)?;
        json_to_python(py, &serde_json::Value::Object(spec.entry))
    }

    /// Copies the settings, so that they can be put back by `restore`.
    fn snapshot(&self) -> Config {
        Config(Arc::new(RwLock::new(self.read(Clone::clone))))
    }

    fn restore(&self, snapshot: &Config) {
        let earlier = snapshot.read(Clone::clone);
        self.write(|settings| *settings = earlier);
    }
}
