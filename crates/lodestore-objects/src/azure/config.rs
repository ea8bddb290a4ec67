//! What a store of Azure must be told, and the client that is made of it.

use std::fmt;
use std::sync::Arc;

use lodestore_types::{Error, ErrorKind, MASK, Result};
use object_store::ObjectStore;
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};

use crate::cloud::{CloudStore, Opening, Secrets, Transfer, location};

/// The account of Azurite and its key, which everybody knows.
const DEVELOPMENT: &str = "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1";

/// Where a store of Azure lies, and how one proves who one is.
///
/// Without a key or a connection string, the environment is asked (`AZURE_STORAGE_ACCOUNT_KEY`, `AZURE_CLIENT_ID` and
/// their like), then the machine's identity.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AzureConfig {
    /// The container.
    pub container: String,
    /// The prefix of all objects; may be empty.
    pub location: String,
    /// The account.
    pub account_name: Option<String>,
    /// Its key.
    pub account_key: Option<String>,
    /// Account, key and server in one text, as Azure's portal gives it.
    pub connection_string: Option<String>,
    /// The server, if it is not Azure's.
    pub endpoint: Option<String>,
}

impl AzureConfig {
    /// Opens the store. No request is made.
    ///
    /// # Errors
    /// `InvalidConfig` for settings that name no account, or contradict each other.
    pub fn open(&self, name: &str, transfer: &Transfer) -> Result<CloudStore> {
        let account = self.account().map_err(|error| error.with("store", name))?;
        let (config, settings) = (self.clone(), transfer.clone());
        let secrets =
            Secrets::new([self.connection_string.as_deref(), account.key.as_deref(), account.signature.as_deref()]);
        let opening = Opening {
            name: name.to_owned(),
            bucket: format!("az://{}", self.container),
            location: location(name, &self.location)?,
            transfer: transfer.clone(),
            secrets,
            client: Box::new(move |connector| {
                let proven = account.key.is_some() || account.signature.is_some();
                // What the environment says of keys is not for an account that came with one.
                let mut builder = if proven { MicrosoftAzureBuilder::new() } else { MicrosoftAzureBuilder::from_env() };
                if let Some(name) = &account.name {
                    builder = builder.with_account(name);
                }
                if let Some(key) = &account.key {
                    builder = builder.with_access_key(key);
                }
                if let Some(signature) = &account.signature {
                    builder = builder.with_config(AzureConfigKey::SasKey, signature);
                }
                if let Some(endpoint) = &account.endpoint {
                    builder = builder.with_endpoint(endpoint.clone());
                }
                let builder = builder
                    .with_container_name(&config.container)
                    .with_client_options(settings.client_options(account.endpoint.as_deref(), None))
                    .with_retry(settings.retry())
                    .with_http_connector(connector);
                Ok(Arc::new(builder.build()?) as Arc<dyn ObjectStore>)
            }),
        };
        CloudStore::open(opening).map_err(|error| match error.kind() {
            ErrorKind::Storage => Error::new(ErrorKind::InvalidConfig, error.message())
                .with("store", name)
                .with_hint("give `account_name` and `account_key`, or `connection_string`"),
            _ => error,
        })
    }

    fn account(&self) -> Result<Account> {
        let invalid = |message: String| Error::new(ErrorKind::InvalidConfig, message);
        let mut account = Account {
            name: self.account_name.clone(),
            key: self.account_key.clone(),
            signature: None,
            endpoint: self.endpoint.as_ref().map(|endpoint| endpoint.trim_end_matches('/').to_owned()),
        };
        let Some(text) = &self.connection_string else { return Ok(account) };
        let text = if text.trim().eq_ignore_ascii_case("UseDevelopmentStorage=true") { DEVELOPMENT } else { text };
        let (mut protocol, mut suffix) = ("https".to_owned(), "core.windows.net".to_owned());
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let Some((key, value)) = part.split_once('=') else {
                return Err(invalid("the connection string is not made of `name=value;`".into()));
            };
            let value = value.to_owned();
            match key.trim().to_ascii_lowercase().as_str() {
                "accountname" => account.name = Some(value),
                "accountkey" => account.key = Some(value),
                "sharedaccesssignature" => account.signature = Some(value.trim_start_matches('?').to_owned()),
                "blobendpoint" => account.endpoint = Some(value.trim_end_matches('/').to_owned()),
                "defaultendpointsprotocol" => protocol = value,
                "endpointsuffix" => suffix = value,
                // Queues, tables and files have endpoints of their own.
                _ => {}
            }
        }
        let Some(name) = &account.name else {
            // A signature alone names its server, and the account is in it.
            let host = account.endpoint.as_deref().and_then(|endpoint| endpoint.split("://").nth(1));
            account.name = host.and_then(|host| host.split('.').next()).map(str::to_owned);
            return match account.name {
                Some(_) => Ok(account),
                None => Err(invalid("the connection string names no account".into())),
            };
        };
        if account.endpoint.is_none() && (protocol != "https" || suffix != "core.windows.net") {
            account.endpoint = Some(format!("{protocol}://{name}.blob.{suffix}"));
        }
        Ok(account)
    }
}

/// An account, and what proves that one may use it.
#[derive(Default)]
struct Account {
    name: Option<String>,
    key: Option<String>,
    signature: Option<String>,
    endpoint: Option<String>,
}

impl fmt::Debug for AzureConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let masked = |secret: &Option<String>| secret.as_ref().map(|_| MASK);
        f.debug_struct("AzureConfig")
            .field("container", &self.container)
            .field("location", &self.location)
            .field("account_name", &self.account_name)
            .field("account_key", &masked(&self.account_key))
            .field("connection_string", &masked(&self.connection_string))
            .field("endpoint", &self.endpoint)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(text: &str) -> Result<Account> {
        AzureConfig { connection_string: Some(text.into()), ..AzureConfig::default() }.account()
    }

    #[test]
    fn connection_strings_are_read() {
        let lab =
            account("DefaultEndpointsProtocol=https;AccountName=lab;AccountKey=a+b/==;EndpointSuffix=core.windows.net")
                .unwrap();
        assert_eq!((lab.name.as_deref(), lab.key.as_deref(), lab.endpoint), (Some("lab"), Some("a+b/=="), None));
        let china = account("AccountName=lab;AccountKey=k;EndpointSuffix=core.chinacloudapi.cn").unwrap();
        assert_eq!(china.endpoint.as_deref(), Some("https://lab.blob.core.chinacloudapi.cn"));
        let shared =
            account("BlobEndpoint=https://lab.blob.core.windows.net/;SharedAccessSignature=?sv=1&sig=x").unwrap();
        assert_eq!((shared.name.as_deref(), shared.signature.as_deref()), (Some("lab"), Some("sv=1&sig=x")));
        assert!(account("UseDevelopmentStorage=true").unwrap().endpoint.unwrap().contains("10000"));
        assert!(account("nonsense").is_err() && account("AccountKey=x").is_err());
    }

    #[test]
    fn credentials_are_not_shown() {
        let text = "AccountName=lab;AccountKey=s3cret";
        let config = AzureConfig {
            container: "c".into(),
            account_key: Some("s3cret".into()),
            connection_string: Some(text.into()),
            ..AzureConfig::default()
        };
        assert!(!format!("{config:?}").contains("s3cret"));
        let error = config.open("raw", &Transfer::default()).unwrap_err();
        assert!(!error.report().contains("s3cret"), "{}", error.report());
    }
}
