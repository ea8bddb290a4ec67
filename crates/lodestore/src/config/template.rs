//! A file of settings to begin with.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use lodestore_types::{Error, ErrorKind, MASK, Result};
use serde_json::{Value as Json, json};

use super::settings::Config;
use super::sources::SECRETS;

/// Writes a file of settings to begin with, and a folder of secrets next to it; returns the file's path. For an embedded
/// project that exists, the settings are those of `project`, and there are no secrets.
///
/// # Errors
/// [`ErrorKind::InvalidConfig`] if the file is there already, [`ErrorKind::Storage`] if it cannot be written.
pub fn save_template(project: Option<&Config>, path: &Path, minimal: bool, secrets: bool) -> Result<PathBuf> {
    let project =
        project.filter(|project| project.has_project()).and_then(|project| Some((project, project.embedded_folder()?)));
    let secrets = secrets && project.is_none();
    let content = if let Some((project, folder)) = project {
        embedded(project, &folder, minimal)?
    } else if minimal {
        json!({"database": {"host": "localhost", "port": 3306}})
    } else {
        json!({
            "database": {"host": "localhost", "port": 3306, "reconnect": true, "use_tls": null},
            "connection": {"charset": ""},
            "display": {"limit": 12, "width": 14, "show_tuple_count": true},
            "stores": {
                "default": "main",
                "filepath_default": "raw_data",
                "main": {"protocol": "file", "location": "/data/my-project/main"},
                "raw_data": {"protocol": "file", "location": "/data/my-project/raw"},
            },
            "loglevel": "INFO",
            "safemode": true,
            "query_cache": null,
            "download_path": ".",
        })
    };
    let text = format!("{content:#}\n");
    let path = std::path::absolute(path).map_err(|error| failed(path, error))?;
    match OpenOptions::new().write(true).create_new(true).open(&path) {
        Ok(mut file) => file.write_all(text.as_bytes()).map_err(|error| failed(&path, error))?,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(Error::new(ErrorKind::InvalidConfig, format!("file already exists: {}", path.display()))
                .with_hint("remove it first, or choose a different path"));
        }
        Err(error) => return Err(failed(&path, error)),
    }
    if secrets && let Some(folder) = path.parent() {
        save_secrets(&folder.join(SECRETS))?;
    }
    Ok(path)
}

/// The settings of an embedded project, without the secrets of stores: they belong in a folder of secrets.
fn embedded(project: &Config, folder: &Path, minimal: bool) -> Result<Json> {
    let folder = std::path::absolute(folder).map_err(|error| failed(folder, error))?;
    let mut content = json!({"database": {"backend": "sqlite", "path": folder.to_string_lossy()}});
    let masked = project.masked();
    if let Some(Json::Object(stores)) = masked.get("stores").filter(|_| !project.brought_its_store()) {
        let mut stores = stores.clone();
        for store in stores.values_mut().filter_map(Json::as_object_mut) {
            store.retain(|_, value| *value != MASK);
        }
        content["stores"] = stores.into();
    }
    if !minimal {
        for name in
            ["display.limit", "display.width", "display.show_tuple_count", "loglevel", "safemode", "download_path"]
        {
            let value = masked.get(name).cloned().unwrap_or_default();
            match name.split_once('.') {
                Some((group, name)) => content[group][name] = value,
                None => content[name] = value,
            }
        }
    }
    Ok(content)
}

fn save_secrets(folder: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| failed(folder, error))?;
    let files = [
        ("database.user", "your_username\n"),
        ("database.password", "your_password\n"),
        (".gitignore", "# Never commit secrets\n*\n!.gitignore\n"),
    ];
    for (name, text) in files {
        let file = folder.join(name);
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file) {
            Ok(mut opened) => opened.write_all(text.as_bytes()).map_err(|error| failed(&file, error))?,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(&file, error)),
        }
    }
    Ok(())
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Storage, format!("cannot write {}: {error}", path.display())).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    use crate::config::Config;

    #[test]
    fn a_template_can_be_read_and_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("datajoint.json");
        for minimal in [true, false] {
            let written = save_template(None, &path, minimal, true).unwrap();
            let mut config = Config::default();
            config.load_file(&written).unwrap();
            assert!(config.warnings().is_empty());
            assert!(save_template(None, &path, minimal, true).unwrap_err().to_string().contains("already exists"));
            fs::remove_file(&path).unwrap();
        }
        let secret = fs::metadata(folder.path().join(SECRETS).join("database.password")).unwrap();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&secret.permissions()) & 0o777, 0o600);
    }
}
