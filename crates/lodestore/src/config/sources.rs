//! Where settings come from.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use lodestore_types::{Error, ErrorKind, Result};
use serde_json::{Map, Value as Json, json};

use super::keys::{KEYS, Key};
use super::settings::Config;
use super::trust::Trust;

/// The name of the file.
pub(super) const FILE: &str = "datajoint.json";
/// The name of the folder beside it.
pub(super) const SECRETS: &str = ".secrets";

/// What settings are read from: the real thing by default, something else in tests.
///
/// Shown with `{:?}` it tells the names of the variables, not what they hold: passwords are among them.
#[derive(Clone)]
pub struct Sources {
    /// Environment variables; names count in any letter case.
    pub environment: HashMap<String, String>,
    /// Where the search for `datajoint.json` begins.
    pub directory: PathBuf,
    /// The folder of secrets for projects without a file.
    pub system_secrets: Option<PathBuf>,
}

impl Sources {
    /// The environment, the working directory and the machine's secrets.
    pub fn real() -> Self {
        Sources {
            environment: std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
            directory: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
            system_secrets: Some(PathBuf::from("/run/secrets/datajoint")),
        }
    }

    /// Nothing but the files in `directory` and above.
    pub fn of(directory: &Path) -> Self {
        Sources { environment: HashMap::new(), directory: directory.to_owned(), system_secrets: None }
    }

    fn variable(&self, name: &str) -> Option<&str> {
        let exact = self.environment.get(name);
        let found = exact.or_else(|| {
            self.environment.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        });
        found.map(String::as_str).filter(|value| !value.is_empty())
    }

    fn trust(&self) -> Trust {
        Trust::new(self.variable(Trust::variable()))
    }

    /// `datajoint.json` here or above, but not above the home directory, a repository's root, or the root of the file
    /// system. One that is not to be trusted is passed over; `warnings` says so.
    fn find_file(&self, warnings: &mut Vec<String>) -> Option<PathBuf> {
        let home = self.variable("HOME").and_then(|home| fs::canonicalize(home).ok());
        let device = |folder: &Path| fs::metadata(folder).map(|found| found.dev()).ok();
        let here = device(&self.directory);
        for directory in self.directory.ancestors() {
            if device(directory) != here {
                return None;
            }
            let file = directory.join(FILE);
            if let Ok(found) = fs::metadata(&file)
                && found.is_file()
            {
                match self.trust().refusal(&file, &found) {
                    Some(reason) => warnings.push(reason),
                    None => return Some(file),
                }
            }
            if [".git", ".hg"].iter().any(|name| directory.join(name).exists())
                || home.as_ref().is_some_and(|home| fs::canonicalize(directory).is_ok_and(|real| real == *home))
            {
                return None;
            }
        }
        None
    }
}

/// Whether the setting of an environment variable is left as it is.
type PassesOver<'a> = dyn Fn(&str) -> bool + 'a;

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources")
            .field("environment", &self.environment.keys())
            .field("directory", &self.directory)
            .field("system_secrets", &self.system_secrets)
            .finish()
    }
}

impl Config {
    /// The settings that the environment, `.secrets/` and `datajoint.json` give.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] for a value that its setting cannot hold, naming where it stands.
    pub fn load() -> Result<Self> {
        Config::from_sources(&Sources::real())
    }

    /// Like [`Config::load`], from sources of one's choice.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn from_sources(sources: &Sources) -> Result<Self> {
        let mut config = Config::default();
        let ignore = Key::find("ignore_config_file")?;
        let ignored = match sources.variable(ignore.variable) {
            Some(text) => {
                ignore.check(text.into()).map_err(|error| error.with("variable", ignore.variable))? == Json::Bool(true)
            }
            None => false,
        };
        if !ignored {
            let trust = sources.trust();
            let file = sources.find_file(&mut config.warnings);
            if let Some(file) = &file {
                match trust.read(file).map_err(|error| unreadable(file, &error))? {
                    Ok(text) => config.load_text(file, &text, &|_| false)?,
                    Err(reason) => config.warnings.push(reason),
                }
            }
            let secrets = file
                .as_ref()
                .and_then(|file| file.parent())
                .map(|folder| folder.join(SECRETS))
                .or(sources.system_secrets.clone());
            let in_environment = sources.variable("DJ_STORES").is_some();
            if let Some(folder) = secrets.filter(|_| !in_environment) {
                config.load_secrets(&folder, true, &trust)?;
            } else if in_environment {
                config.load_environment_stores(sources)?;
                let folder = file.as_ref().and_then(|file| file.parent()).map(|folder| folder.join(SECRETS));
                if let Some(folder) = folder.or(sources.system_secrets.clone()) {
                    config.load_secrets(&folder, false, &trust)?;
                }
            }
        } else if sources.variable("DJ_STORES").is_some() {
            config.load_environment_stores(sources)?;
        }
        for key in KEYS {
            if let Some(text) = sources.variable(key.variable) {
                let value = key.check(text.into()).map_err(|error| error.with("variable", key.variable))?;
                config.values.insert(key.name, value);
            }
        }
        Ok(config)
    }

    /// Applies a file of settings on top of these: all of it, or nothing if any of it is wrong.
    ///
    /// The file is JSON; a `//` outside of text begins a comment that ends with the line.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] naming the file and the setting; also if there is no such file.
    pub fn load_file(&mut self, file: &Path) -> Result<()> {
        self.load_file_except(file, &|_| false)
    }

    /// Like [`Config::load_file`], but what the environment sets stays as it is.
    ///
    /// # Errors
    /// As [`Config::load_file`].
    pub fn load_file_below(&mut self, file: &Path, sources: &Sources) -> Result<()> {
        self.load_file_except(file, &|variable| sources.variable(variable).is_some())
    }

    /// Applies a file, but for the settings whose variables are to be passed over.
    fn load_file_except(&mut self, file: &Path, passes_over: &PassesOver<'_>) -> Result<()> {
        let text = fs::read_to_string(file).map_err(|error| unreadable(file, &error))?;
        self.load_text(file, &text, passes_over)
    }

    fn load_text(&mut self, file: &Path, text: &str, passes_over: &PassesOver<'_>) -> Result<()> {
        let locate = |error: Error| error.with("file", file.display());
        let document: Json = serde_json::from_str(&without_comments(text)).map_err(|error| {
            locate(Error::new(ErrorKind::InvalidConfig, format!("the settings are no JSON: {error}")))
        })?;
        let Json::Object(document) = document else {
            return Err(locate(Error::new(ErrorKind::InvalidConfig, "the settings are no JSON object")));
        };
        let mut changed = self.clone();
        changed.apply(document, file, passes_over).map_err(locate)?;
        changed.file = Some(file.to_owned());
        *self = changed;
        Ok(())
    }

    fn apply(&mut self, document: Map<String, Json>, file: &Path, passes_over: &PassesOver<'_>) -> Result<()> {
        let keeps_stores = passes_over("DJ_STORES");
        for (name, value) in document {
            match value {
                _ if keeps_stores && (name == "stores" || name.starts_with("stores.")) => {}
                Json::Object(stores) if name == "stores" => self.stores.extend(stores),
                value if name == "stores" => return self.set("stores", value),
                value if name.starts_with("stores.") => self.set(&name, value)?,
                Json::Object(group) if Key::find(&name).is_err() => {
                    for (inner, value) in group {
                        self.apply_one(&format!("{name}.{inner}"), value, file, passes_over)?;
                    }
                }
                value => self.apply_one(&name, value, file, passes_over)?,
            }
        }
        Ok(())
    }

    fn apply_one(&mut self, name: &str, value: Json, file: &Path, passes_over: &PassesOver<'_>) -> Result<()> {
        match Key::find(name) {
            Ok(key) if passes_over(key.variable) => Ok(()),
            Ok(_) => self.set(name, value),
            Err(error) => {
                let hint = error.hint().map(|hint| format!(": {hint}")).unwrap_or_default();
                self.warnings.push(format!("{} has an unknown setting `{name}`{hint}", file.display()));
                Ok(())
            }
        }
    }

    fn load_environment_stores(&mut self, sources: &Sources) -> Result<()> {
        let text = sources.variable("DJ_STORES").unwrap_or("{}");
        let problem = |what: String| Error::new(ErrorKind::InvalidConfig, format!("DJ_STORES {what}"));
        match serde_json::from_str(text) {
            Ok(Json::Object(stores)) => self.stores = stores,
            Ok(_) => return Err(problem("must be a JSON object".into())),
            // The text may hold secrets: only the place of the fault is told.
            Err(error) => {
                return Err(problem(format!(
                    "contains invalid JSON at line {}, column {}",
                    error.line(),
                    error.column()
                )));
            }
        }
        Ok(())
    }

    /// Reads `database.user`, `database.password` and `stores.<name>.<attribute>`, one file each.
    fn load_secrets(&mut self, folder: &Path, outrank: bool, trust: &Trust) -> Result<()> {
        if let Some(reason) = fs::metadata(folder).ok().and_then(|found| trust.refusal(folder, &found)) {
            self.warnings.push(reason);
            return Ok(());
        }
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(());
            }
            Err(error) => {
                self.warnings.push(format!("cannot read the secrets in {}: {error}", folder.display()));
                return Ok(());
            }
        };
        let mut names: Vec<String> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        for name in names {
            let parts: Vec<&str> = name.split('.').collect();
            let known = matches!(name.as_str(), "database.user" | "database.password");
            let of_store =
                matches!(parts[..], ["stores", store, attribute] if !store.is_empty() && !attribute.is_empty());
            let file = folder.join(&name);
            if !(known || of_store) || !file.is_file() {
                continue;
            }
            self.warn_if_others_can_read(&file);
            let text = trust.read(&file).map_err(|error| {
                Error::new(ErrorKind::InvalidConfig, format!("cannot read the secret: {error}"))
                    .with("file", file.display())
            })?;
            let text = match text {
                Ok(text) => text,
                Err(reason) => {
                    self.warnings.push(reason);
                    continue;
                }
            };
            let taken = of_store && self.get(&name).is_ok();
            if outrank || !taken {
                self.set(&name, json!(text.trim())).map_err(|error| error.with("file", file.display()))?;
            }
        }
        Ok(())
    }

    fn warn_if_others_can_read(&mut self, file: &Path) {
        use std::os::unix::fs::PermissionsExt;
        // Orchestrators mount secrets read-only with modes of their own.
        let open = fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0);
        if open && !file.starts_with("/run/secrets") {
            self.warnings
                .push(format!("others can read the secret {0}; make it private: chmod 600 {0}", file.display()));
        }
    }
}

fn unreadable(file: &Path, error: &io::Error) -> Error {
    Error::new(ErrorKind::InvalidConfig, format!("cannot read the settings: {error}")).with("file", file.display())
}

/// Why a file of settings that was found by itself must not be read, if so: another user may have put it there.
pub fn untrusted(file: &Path) -> Option<String> {
    let found = fs::metadata(file).ok()?;
    Sources::real().trust().refusal(file, &found)
}

/// JSON text with blanks in the place of comments, so that faults keep their line and column.
fn without_comments(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let (mut in_text, mut escaped, mut in_comment) = (false, false, false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if in_comment {
            in_comment = character != '\n';
        } else if in_text {
            in_text = escaped || character != '"';
            escaped = !escaped && character == '\\';
        } else {
            in_text = character == '"';
            in_comment = character == '/' && characters.peek() == Some(&'/');
        }
        result.push(if in_comment { ' ' } else { character });
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new(file: Json) -> Self {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(FILE), file.to_string()).unwrap();
            fs::create_dir(folder.path().join(SECRETS)).unwrap();
            Folder(folder)
        }

        fn secret(&self, name: &str, text: &str) {
            let file = self.0.path().join(SECRETS).join(name);
            fs::write(&file, format!("{text}\n")).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        }

        fn load(&self, environment: &[(&str, &str)]) -> Result<Config> {
            let environment = environment.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
            Config::from_sources(&Sources { environment, ..Sources::of(self.0.path()) })
        }
    }

    /// A value for a setting that is not its default.
    fn other(key: &Key) -> Json {
        use super::super::KeyType::*;
        match key.kind {
            Text | OptionalText | Secret => "other".into(),
            Bool | OptionalBool | OptionalBoolOrObject => json!(key.default() != json!(true)),
            Int(low, _) => json!(if key.default() == json!(low) { low + 1 } else { low }),
            OptionalInt(low, _) => json!(low),
            Choice(words) | OptionalChoice(words) => json!(words.iter().find(|word| key.default() != **word).unwrap()),
            Object => json!({"a": 1}),
        }
    }

    #[test]
    fn the_environment_outranks_the_file_for_every_setting() {
        for key in KEYS.iter().filter(|key| key.name != "ignore_config_file") {
            let value = other(key);
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let folder = Folder::new(json!({ key.name: value.clone() }));
            assert_eq!(folder.load(&[]).unwrap().get(key.name).unwrap(), value, "{}", key.name);
            let folder = Folder::new(json!({ key.name: key.default() }));
            assert_eq!(folder.load(&[(key.variable, &text)]).unwrap().get(key.name).unwrap(), value, "{}", key.name);
        }
    }

    #[test]
    fn secrets_stand_between_file_and_environment() {
        let folder = Folder::new(json!({
            "database": {"user": "file", "password": "file"},
            "stores": {"s": {"protocol": "s3", "access_key": "file"}},
        }));
        folder.secret("database.user", "secret");
        folder.secret("stores.s.access_key", "secret");
        folder.secret("stores.s.secret_key", "secret");
        folder.secret("database.host", "not a secret");
        let config = folder.load(&[]).unwrap();
        assert_eq!(config.get("database.user").unwrap(), "secret");
        assert_eq!(config.get("database.password").unwrap(), "file");
        assert_eq!(config.get("stores.s.access_key").unwrap(), "secret");
        assert_eq!(config.get("database.host").unwrap(), "localhost");
        assert_eq!(folder.load(&[("DJ_USER", "env")]).unwrap().get("database.user").unwrap(), "env");
        let stores = ("DJ_STORES", r#"{"s": {"protocol": "s3", "access_key": "env"}}"#);
        let config = folder.load(&[stores]).unwrap();
        assert_eq!(config.get("stores.s.access_key").unwrap(), "env");
        assert_eq!(config.get("stores.s.secret_key").unwrap(), "secret");
        assert!(config.warnings().is_empty(), "{:?}", config.warnings());
    }

    #[test]
    fn files_are_nested_or_flat_and_found_from_below() {
        let folder = Folder::new(json!({
            "database": {"reconnect": "no"}, "display.limit": "7", "stores.raw.protocol": "file", "colour": 1, "database.hots": "x",
        }));
        let below = folder.0.path().join("a/b");
        fs::create_dir_all(&below).unwrap();
        let config = Config::from_sources(&Sources::of(&below)).unwrap();
        assert!(!config.get_bool("database.reconnect"));
        assert_eq!(config.get_int("display.limit"), 7);
        assert_eq!(config.get("stores.raw.protocol").unwrap(), "file");
        assert_eq!(config.warnings().len(), 2);
        assert!(config.warnings().iter().any(|warning| warning.contains("did you mean `database.host`?")));
        fs::create_dir(folder.0.path().join("a/.git")).unwrap();
        assert_eq!(Config::from_sources(&Sources::of(&below)).unwrap().file(), None);
        assert_eq!(folder.load(&[("DJ_IGNORE_CONFIG_FILE", "yes")]).unwrap().get_int("display.limit"), 12);
    }

    #[test]
    fn faults_name_their_place_and_change_nothing() {
        let folder = Folder::new(json!({"display.limit": 3, "safemode": "maybe"}));
        let mut config = Config::default();
        let error = config.load_file(&folder.0.path().join(FILE)).unwrap_err();
        assert!(error.to_string().contains("safemode") && error.to_string().contains(FILE), "{error}");
        assert_eq!(config.get_int("display.limit"), 12);
        assert!(folder.load(&[]).is_err());
        let folder = Folder::new(json!([1]));
        assert!(folder.load(&[]).unwrap_err().to_string().contains("no JSON object"));
        let folder = Folder::new(json!({}));
        assert!(folder.load(&[("DJ_PORT", "many")]).unwrap_err().to_string().contains("DJ_PORT"));
        assert!(!folder.load(&[("DJ_STORES", "{s3cret")]).unwrap_err().to_string().contains("s3cret"));
        assert!(folder.load(&[("DJ_STORES", "")]).is_ok());
        assert_eq!(folder.load(&[("dj_host", "h")]).unwrap().get("database.host").unwrap(), "h");
    }

    #[test]
    fn comments_are_passed_over_and_text_is_not() {
        let text = "{\"a\": \"http://x\", // \"b\": 1\n \"c\": \"\\\"//\"} //";
        let parsed: Json = serde_json::from_str(&without_comments(text)).unwrap();
        assert_eq!(parsed, json!({"a": "http://x", "c": "\"//"}));
        assert_eq!(without_comments("// é\n{").lines().nth(1), Some("{"));
    }

    #[test]
    fn sources_do_not_show_what_variables_hold() {
        let sources = Sources {
            environment: [("DJ_PASS".to_owned(), "s3cret".to_owned())].into(),
            ..Sources::of(Path::new("/"))
        };
        let shown = format!("{sources:?}");
        assert!(shown.contains("DJ_PASS") && !shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn an_unfitting_secret_names_its_file() {
        let folder = Folder::new(json!({"stores": {"default": "main"}}));
        folder.secret("stores.default.access_key", "s3cret");
        let error = folder.load(&[]).unwrap_err();
        assert!(error.to_string().contains("stores.default.access_key"), "{error}");
        assert!(!format!("{error:?}").contains("s3cret"));
    }

    /// Tests that give files to other users need to be the superuser, as they are in containers.
    fn is_root() -> bool {
        rustix::process::geteuid().is_root()
    }

    #[test]
    fn files_of_other_users_are_not_read() {
        if !is_root() {
            return;
        }
        let folder = Folder::new(json!({"database": {"host": "evil.lab"}}));
        let below = folder.0.path().join("mine/deep");
        fs::create_dir_all(&below).unwrap();
        let load = |environment: &[(&str, &str)]| {
            let environment = environment.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
            Config::from_sources(&Sources { environment, ..Sources::of(&below) }).unwrap()
        };
        let file = folder.0.path().join(FILE);
        assert_eq!(load(&[]).get("database.host").unwrap(), "evil.lab");
        std::os::unix::fs::chown(&file, Some(12345), None).unwrap();
        let config = load(&[]);
        assert_eq!((config.get("database.host").unwrap(), config.file()), (json!("localhost"), None));
        let warning = &config.warnings()[0];
        assert!(warning.contains(&file.display().to_string()) && warning.contains("12345"), "{warning}");
        for trusted in ["*", &folder.0.path().display().to_string(), &format!("/x:{}", folder.0.path().display())] {
            assert_eq!(load(&[("DJ_TRUSTED_FOLDERS", trusted)]).get("database.host").unwrap(), "evil.lab", "{trusted}");
        }
        assert_eq!(load(&[("DJ_TRUSTED_FOLDERS", "/x")]).file(), None);
        // One's own file is found above another's.
        fs::write(below.parent().unwrap().join(FILE), "{}").unwrap();
        std::os::unix::fs::chown(below.parent().unwrap().join(FILE), Some(12345), None).unwrap();
        std::os::unix::fs::chown(&file, Some(0), None).unwrap();
        assert_eq!(load(&[]).file(), Some(file.as_path()));

        // Secrets likewise: the folder, and each file.
        let secret = folder.0.path().join(SECRETS).join("database.password");
        folder.secret("database.password", "theirs");
        std::os::unix::fs::chown(&secret, Some(12345), None).unwrap();
        let config = load(&[]);
        assert!(config.get("database.password").unwrap().is_null());
        assert!(config.warnings().iter().any(|warning| warning.contains("database.password")));
        std::os::unix::fs::chown(&secret, Some(0), None).unwrap();
        std::os::unix::fs::chown(folder.0.path().join(SECRETS), Some(12345), None).unwrap();
        assert!(load(&[]).get("database.password").unwrap().is_null());
    }

    #[test]
    fn files_that_every_user_may_write_to_are_not_read() {
        let folder = Folder::new(json!({"database": {"host": "evil.lab"}}));
        let file = folder.0.path().join(FILE);
        let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        set(&file, 0o666);
        let config = folder.load(&[]).unwrap();
        assert_eq!(config.file(), None);
        assert!(config.warnings()[0].contains("chmod o-w"), "{:?}", config.warnings());
        // A group that one chose oneself, as a lab does.
        set(&file, 0o664);
        assert_eq!(folder.load(&[]).unwrap().get("database.host").unwrap(), "evil.lab");
        folder.secret("database.password", "theirs");
        set(&folder.0.path().join(SECRETS), 0o777);
        assert!(folder.load(&[]).unwrap().get("database.password").unwrap().is_null());
        // Nobody replaces another's file where the sticky bit is set.
        set(&folder.0.path().join(SECRETS), 0o1777);
        assert_eq!(folder.load(&[]).unwrap().get("database.password").unwrap(), "theirs");
    }

    #[test]
    fn the_search_ends_at_the_home_directory() {
        let folder = Folder::new(json!({"display.limit": 3}));
        let home = folder.0.path().join("home");
        fs::create_dir_all(home.join("work")).unwrap();
        let load = |home: &Path| {
            let environment = [("HOME".to_owned(), home.display().to_string())].into();
            let sources = Sources { environment, ..Sources::of(&folder.0.path().join("home/work")) };
            Config::from_sources(&sources).unwrap().get_int("display.limit")
        };
        assert_eq!(load(Path::new("/nowhere")), 3);
        assert_eq!(load(&home), 12);
        fs::write(home.join(FILE), r#"{"display.limit": 4}"#).unwrap();
        assert_eq!(load(&home), 4);
        // And at the root of a file system.
        let proc = Sources::of(Path::new("/proc/self"));
        assert_eq!(proc.find_file(&mut Vec::new()), None);
    }

    #[test]
    fn secrets_that_others_can_read_are_told() {
        let folder = Folder::new(json!({}));
        folder.secret("database.password", "x");
        let file = folder.0.path().join(SECRETS).join("database.password");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(folder.load(&[]).unwrap().warnings()[0].contains("chmod 600"));
    }
}
