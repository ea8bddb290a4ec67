//! The files in which the programs of Amazon keep credentials, by profile.

use std::collections::HashMap;
use std::path::PathBuf;

use lodestore_types::{Error, ErrorKind, Result};
use object_store::aws::AmazonS3ConfigKey;

/// What a profile tells.
#[derive(Default)]
pub(super) struct Profile {
    pub(super) access_key: Option<String>,
    pub(super) secret_key: Option<String>,
    pub(super) session_token: Option<String>,
    pub(super) region: Option<String>,
    role: Option<String>,
    token_file: Option<String>,
}

impl Profile {
    /// As the client wants to be told.
    pub(super) fn told(&self) -> Vec<(AmazonS3ConfigKey, String)> {
        [
            (AmazonS3ConfigKey::AccessKeyId, &self.access_key),
            (AmazonS3ConfigKey::SecretAccessKey, &self.secret_key),
            (AmazonS3ConfigKey::Token, &self.session_token),
            (AmazonS3ConfigKey::RoleArn, &self.role),
            (AmazonS3ConfigKey::WebIdentityTokenFile, &self.token_file),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key, value.clone()?)))
        .collect()
    }
}

/// Reads a profile; `None` if neither file has it.
///
/// # Errors
/// `Unsupported` if it takes a program or a dialogue to get credentials; `InvalidConfig` if a file cannot be read.
pub(super) fn read(name: &str) -> Result<Option<Profile>> {
    let home = || std::env::var_os("HOME").map(PathBuf::from);
    let file = |variable: &str, inside: &str| match std::env::var_os(variable) {
        Some(path) => Some(PathBuf::from(path)),
        None => home().map(|home| home.join(".aws").join(inside)),
    };
    let text = |path: Option<PathBuf>| {
        let Some(path) = path else { return Ok(String::new()) };
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(Error::new(ErrorKind::InvalidConfig, format!("cannot read the AWS profiles: {error}"))
                .with("file", path.display())),
        }
    };
    parse(name, &text(file("AWS_SHARED_CREDENTIALS_FILE", "credentials"))?, &text(file("AWS_CONFIG_FILE", "config"))?)
}

fn parse(name: &str, credentials: &str, config: &str) -> Result<Option<Profile>> {
    let mut told = section(config, &[name, &format!("profile {name}")]);
    // Both files may speak of it; for credentials theirs counts.
    for (key, value) in section(credentials, &[name]).unwrap_or_default() {
        told.get_or_insert_default().insert(key, value);
    }
    let Some(mut told) = told else { return Ok(None) };
    let mut take = |key: &str| told.remove(key);
    let profile = Profile {
        access_key: take("aws_access_key_id"),
        secret_key: take("aws_secret_access_key"),
        session_token: take("aws_session_token"),
        region: take("region"),
        role: take("role_arn"),
        token_file: take("web_identity_token_file"),
    };
    let beyond = ["credential_process", "sso_session", "sso_account_id", "source_profile", "login_session"];
    let beyond = beyond.into_iter().find(|key| told.contains_key(*key));
    match beyond.filter(|_| profile.secret_key.is_none() && profile.token_file.is_none()) {
        Some(key) => Err(Error::new(
            ErrorKind::Unsupported,
            format!("the AWS profile `{name}` gets its credentials by `{key}`, which is not done here"),
        )
        .with_hint(format!("`eval \"$(aws configure export-credentials --profile {name} --format env)\"` puts them into the environment"))),
        None => Ok(Some(profile)),
    }
}

/// The settings of the section that has one of these names.
fn section(text: &str, names: &[&str]) -> Option<HashMap<String, String>> {
    let mut found = None;
    let mut inside = false;
    for line in text.lines() {
        // An indented line belongs to a setting that has settings of its own: none that matter here.
        if line.starts_with([' ', '\t', '#', ';']) {
            continue;
        }
        let line = line.trim_end();
        if let Some(title) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            inside = names.contains(&title.split_whitespace().collect::<Vec<_>>().join(" ").as_str());
            if inside {
                found.get_or_insert_with(HashMap::new);
            }
        } else if let Some((key, value)) = line.split_once('=').filter(|_| inside) {
            found.get_or_insert_with(HashMap::new).insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREDENTIALS: &str = "[default]\naws_access_key_id = A\naws_secret_access_key=B\n\n[lab]\n# no\naws_access_key_id=C\naws_secret_access_key=D=/+\naws_session_token = E\n";
    const CONFIG: &str = "[default]\nregion = eu-west-1\n[profile lab]\nregion=us-west-2\ns3 =\n  max_concurrent_requests = 20\n[profile sso]\nsso_session = x\n[profile web]\nrole_arn = arn:x\nweb_identity_token_file = /t\n";

    #[test]
    fn profiles_are_joined_from_both_files() {
        let lab = parse("lab", CREDENTIALS, CONFIG).unwrap().unwrap();
        assert_eq!((lab.access_key.as_deref(), lab.secret_key.as_deref()), (Some("C"), Some("D=/+")));
        assert_eq!((lab.session_token.as_deref(), lab.region.as_deref()), (Some("E"), Some("us-west-2")));
        let default = parse("default", CREDENTIALS, CONFIG).unwrap().unwrap();
        assert_eq!((default.access_key.as_deref(), default.region.as_deref()), (Some("A"), Some("eu-west-1")));
        assert_eq!(parse("web", CREDENTIALS, CONFIG).unwrap().unwrap().told().len(), 2);
        assert!(parse("none", CREDENTIALS, CONFIG).unwrap().is_none());
    }

    #[test]
    fn what_takes_another_program_is_told() {
        let error = parse("sso", CREDENTIALS, CONFIG).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.hint().unwrap().contains("--profile sso"));
    }
}
