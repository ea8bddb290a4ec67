//! What a store of Google Cloud Storage must be told, and the client that is made of it.

use std::fmt;
use std::sync::Arc;

use lodestore_types::{Error, ErrorKind, MASK, Result};
use object_store::ObjectStore;
use object_store::gcp::GoogleCloudStorageBuilder;

use crate::cloud::{CloudStore, Opening, Secrets, Transfer, location};

/// Where a store of Google Cloud Storage lies, and how one proves who one is.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct GcsConfig {
    /// The bucket.
    pub bucket: String,
    /// The prefix of all objects; may be empty.
    pub location: String,
    /// The path of a file with credentials, or their JSON; `anon` for none. Without it, and for `cloud`,
    /// `google_default` and `cache`, the environment is asked, then what `gcloud` left, then the machine.
    pub token: Option<String>,
    /// The server, if it is not Google's.
    pub endpoint: Option<String>,
}

impl GcsConfig {
    /// Opens the store. No request is made.
    ///
    /// # Errors
    /// `InvalidConfig` if the credentials cannot be read.
    pub fn open(&self, name: &str, transfer: &Transfer) -> Result<CloudStore> {
        let secret = private_key(self.token.as_deref());
        let (config, settings) = (self.clone(), transfer.clone());
        CloudStore::open(Opening {
            name: name.to_owned(),
            bucket: format!("gs://{}", self.bucket),
            location: location(name, &self.location)?,
            transfer: transfer.clone(),
            secrets: Secrets::new([
                self.token.as_deref().filter(|token| token.trim_start().starts_with('{')),
                secret.as_deref(),
            ]),
            client: Box::new(move |connector| {
                let builder = config
                    .credentials()
                    .with_bucket_name(&config.bucket)
                    .with_client_options(settings.client_options(config.endpoint.as_deref(), None))
                    .with_retry(settings.retry())
                    .with_http_connector(connector);
                let builder = match &config.endpoint {
                    Some(endpoint) => builder.with_base_url(endpoint.trim_end_matches('/')),
                    None => builder,
                };
                Ok(Arc::new(builder.build()?) as Arc<dyn ObjectStore>)
            }),
        })
        .map_err(|error| match error.kind() {
            ErrorKind::Storage => Error::new(ErrorKind::InvalidConfig, error.message())
                .with("store", name)
                .with_hint("`token` is the path of a file with credentials, their JSON, or `anon`"),
            _ => error,
        })
    }

    fn credentials(&self) -> GoogleCloudStorageBuilder {
        match self.token.as_deref() {
            None | Some("" | "cloud" | "google_default" | "cache") => GoogleCloudStorageBuilder::from_env(),
            // The client of object_store 0.14 asks for a token all the same where it writes: it gets one, of no worth.
            Some("anon") => GoogleCloudStorageBuilder::new().with_skip_signature(true).with_bearer_token("anonymous"),
            Some(json) if json.trim_start().starts_with('{') => {
                GoogleCloudStorageBuilder::new().with_service_account_key(json)
            }
            // A file of either kind: a service account's, or what `gcloud auth application-default login` leaves.
            Some(file) if private_key(Some(file)).is_some() => {
                GoogleCloudStorageBuilder::new().with_service_account_path(file)
            }
            Some(file) => GoogleCloudStorageBuilder::new().with_application_credentials(file),
        }
    }
}

/// The key in a service account's JSON, given as it is or as the path of its file.
fn private_key(token: Option<&str>) -> Option<String> {
    let token = token?;
    let text =
        if token.trim_start().starts_with('{') { token.to_owned() } else { std::fs::read_to_string(token).ok()? };
    let account: serde_json::Value = serde_json::from_str(&text).ok()?;
    account.get("private_key")?.as_str().map(str::to_owned)
}

impl fmt::Debug for GcsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GcsConfig")
            .field("bucket", &self.bucket)
            .field("location", &self.location)
            .field("token", &self.token.as_ref().map(|_| MASK))
            .field("endpoint", &self.endpoint)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_not_shown() {
        let token = "{\"private_key\": \"s3cret\", \"private_key_id\": \"x\", \"client_email\": \"a@b\"}";
        let config = GcsConfig { bucket: "b".into(), token: Some(token.into()), ..GcsConfig::default() };
        assert!(!format!("{config:?}").contains("s3cret"));
        let error = config.open("raw", &Transfer::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(!error.report().contains("s3cret"), "{}", error.report());
        let missing = GcsConfig { token: Some("/no/such/file".into()), ..config };
        assert_eq!(missing.open("raw", &Transfer::default()).unwrap_err().kind(), ErrorKind::InvalidConfig);
    }
}
