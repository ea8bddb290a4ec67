//! What a store of S3 must be told, and the client that is made of it.

use std::fmt;
use std::sync::Arc;

use lodestore_types::{Error, ErrorKind, MASK, Result};
use object_store::ObjectStore;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3CopyIfNotExists};

use super::profile::{self, Profile};
use crate::cloud::{CloudStore, Opening, Secrets, Transfer, location};

/// Where a store of S3 lies, and how one proves who one is.
///
/// Without keys, the environment is asked (`AWS_ACCESS_KEY_ID` and its like), then the profile, then what the machine
/// offers: a web identity, or the role of a container or instance.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct S3Config {
    /// The server: `host`, `host:port` or a URL; `s3.amazonaws.com` is Amazon's.
    pub endpoint: String,
    /// The bucket.
    pub bucket: String,
    /// The prefix of all objects; may be empty.
    pub location: String,
    /// The key's name, with `secret_key`.
    pub access_key: Option<String>,
    /// The key, with `access_key`.
    pub secret_key: Option<String>,
    /// What goes with keys that are lent for a while.
    pub session_token: Option<String>,
    /// The section of `~/.aws/credentials` and `~/.aws/config` to use.
    pub profile: Option<String>,
    /// The region of the bucket; found out where it can be.
    pub region: Option<String>,
    /// Talk TLS to an endpoint that does not say.
    pub secure: bool,
    /// The bucket is a part of the path and not of the host name. By default so for all but Amazon.
    pub path_style: Option<bool>,
    /// Make requests without proving anything, in buckets that everybody may read.
    pub anonymous: bool,
    /// A proxy to go through.
    pub proxy: Option<String>,
}

impl S3Config {
    /// Opens the store. No request is made.
    ///
    /// # Errors
    /// `InvalidConfig` for settings that contradict each other or name a profile that is not there.
    pub fn open(&self, name: &str, transfer: &Transfer) -> Result<CloudStore> {
        let invalid = |message: String| Error::new(ErrorKind::InvalidConfig, message).with("store", name);
        if self.access_key.is_some() != self.secret_key.is_some() {
            let missing = if self.access_key.is_some() { "secret_key" } else { "access_key" };
            return Err(invalid(format!("incomplete S3 credentials: `{missing}` is missing")).with_hint(
                "give both `access_key` and `secret_key`, or neither to use the credentials of the environment",
            ));
        }
        let profile = self.profile().map_err(|error| error.with("store", name))?;
        let server = self.server(profile.as_ref())?;
        let secrets = Secrets::new([
            self.access_key.as_deref(),
            self.secret_key.as_deref(),
            self.session_token.as_deref(),
            profile.as_ref().and_then(|profile| profile.access_key.as_deref()),
            profile.as_ref().and_then(|profile| profile.secret_key.as_deref()),
            profile.as_ref().and_then(|profile| profile.session_token.as_deref()),
        ]);
        let (config, settings) = (self.clone(), transfer.clone());
        CloudStore::open(Opening {
            name: name.to_owned(),
            bucket: format!("s3://{}", self.bucket),
            location: location(name, &self.location)?,
            transfer: transfer.clone(),
            secrets,
            client: Box::new(move |connector| {
                let builder = config
                    .credentials(profile.as_ref())
                    .with_bucket_name(&config.bucket)
                    .with_region(&server.region)
                    .with_virtual_hosted_style_request(server.virtual_hosted)
                    .with_copy_if_not_exists(S3CopyIfNotExists::Multipart)
                    .with_skip_signature(config.anonymous)
                    // A signature over the content guards it where TLS does not; it costs a pass over all bytes.
                    .with_unsigned_payload(server.endpoint.as_ref().is_none_or(|url| url.starts_with("https://")))
                    .with_client_options(settings.client_options(server.endpoint.as_deref(), config.proxy.as_deref()))
                    .with_retry(settings.retry())
                    .with_http_connector(connector);
                let builder = match &server.endpoint {
                    Some(endpoint) => builder.with_endpoint(endpoint),
                    None => builder,
                };
                Ok(Arc::new(builder.build()?) as Arc<dyn ObjectStore>)
            }),
        })
    }

    fn profile(&self) -> Result<Option<Profile>> {
        let in_environment = std::env::var_os("AWS_ACCESS_KEY_ID").is_some();
        match &self.profile {
            _ if self.access_key.is_some() || self.anonymous => Ok(None),
            Some(name) => profile::read(name)?.map(Some).ok_or_else(|| {
                Error::new(ErrorKind::InvalidConfig, format!("there is no AWS profile `{name}`"))
                    .with_hint("`aws configure --profile` makes one in `~/.aws`")
            }),
            None if in_environment => Ok(None),
            None => profile::read(&std::env::var("AWS_PROFILE").unwrap_or_else(|_| "default".into())),
        }
    }

    /// A builder that knows who one is.
    fn credentials(&self, profile: Option<&Profile>) -> AmazonS3Builder {
        if let (Some(access_key), Some(secret_key)) = (&self.access_key, &self.secret_key) {
            let builder = AmazonS3Builder::new().with_access_key_id(access_key).with_secret_access_key(secret_key);
            return match &self.session_token {
                Some(token) => builder.with_token(token),
                None => builder,
            };
        }
        // What the environment says of servers and the like is not for a store with settings of its own.
        const CREDENTIALS: [&str; 11] = [
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_ROLE_ARN",
            "AWS_ROLE_SESSION_NAME",
            "AWS_ENDPOINT_URL_STS",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
            "AWS_METADATA_ENDPOINT",
        ];
        let mut builder = AmazonS3Builder::new();
        let told = profile.map(Profile::told).unwrap_or_default();
        let environment = CREDENTIALS.iter().filter_map(|name| {
            let key: AmazonS3ConfigKey = name.to_ascii_lowercase().parse().ok()?;
            Some((key, std::env::var(name).ok()?))
        });
        // A profile that is named goes before the environment.
        let given: Vec<_> = if self.profile.is_some() { told } else { environment.chain(told).collect() };
        for (key, value) in given {
            if builder.get_config_value(&key).is_none() {
                builder = builder.with_config(key, value);
            }
        }
        builder
    }

    /// The server to talk to.
    fn server(&self, profile: Option<&Profile>) -> Result<Server> {
        let endpoint = self.endpoint.trim();
        let (scheme, host) = match endpoint.split_once("://") {
            Some((scheme, host)) => (scheme.to_ascii_lowercase(), host),
            None if self.secure => ("https".to_owned(), endpoint),
            None => ("http".to_owned(), endpoint),
        };
        let host = host.trim_end_matches('/');
        if host.is_empty() || !matches!(scheme.as_str(), "http" | "https") {
            return Err(Error::new(ErrorKind::InvalidConfig, format!("`{endpoint}` is no endpoint of S3"))
                .with_hint("an endpoint is `host`, `host:port`, or a URL with `http` or `https`"));
        }
        let amazon = host.split(':').next().unwrap_or(host).strip_suffix(".amazonaws.com");
        let in_host = amazon.and_then(|amazon| amazon.strip_prefix("s3").map(|rest| rest.trim_matches(['.', '-'])));
        let region = self
            .region
            .clone()
            .or_else(|| in_host.filter(|region| !region.is_empty() && !region.contains('.')).map(str::to_owned))
            .or_else(|| std::env::var("AWS_REGION").ok())
            .or_else(|| std::env::var("AWS_DEFAULT_REGION").ok())
            .or_else(|| profile.and_then(|profile| profile.region.clone()))
            .unwrap_or_else(|| "us-east-1".into());
        // Amazon's certificates do not cover a bucket with a dot in its name as a host.
        let virtual_hosted = !self.path_style.unwrap_or(amazon.is_none() || self.bucket.contains('.'));
        let endpoint = match in_host {
            // The client knows Amazon's servers by their region.
            Some(_) if scheme == "https" => None,
            _ if virtual_hosted => Some(format!("{scheme}://{}.{host}", self.bucket)),
            _ => Some(format!("{scheme}://{host}")),
        };
        Ok(Server { endpoint, region, virtual_hosted })
    }
}

/// The server to talk to.
#[derive(Debug, PartialEq)]
struct Server {
    /// A URL; `None` for Amazon's own.
    endpoint: Option<String>,
    region: String,
    virtual_hosted: bool,
}

impl fmt::Debug for S3Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let masked = |secret: &Option<String>| secret.as_ref().map(|_| MASK);
        f.debug_struct("S3Config")
            .field("endpoint", &lodestore_types::mask_urls(&self.endpoint))
            .field("bucket", &self.bucket)
            .field("location", &self.location)
            .field("access_key", &masked(&self.access_key))
            .field("secret_key", &masked(&self.secret_key))
            .field("profile", &self.profile)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(endpoint: &str, bucket: &str, secure: bool, path_style: Option<bool>) -> Server {
        let config = S3Config {
            endpoint: endpoint.into(),
            bucket: bucket.into(),
            secure,
            path_style,
            region: (!endpoint.contains("eu-")).then(|| "us-east-1".into()),
            ..S3Config::default()
        };
        config.server(None).unwrap()
    }

    #[test]
    fn servers_are_found() {
        let told = |server: Server| (server.endpoint, server.region, server.virtual_hosted);
        let some = |url: &str, virtual_hosted| (Some(url.to_owned()), "us-east-1".to_owned(), virtual_hosted);
        assert_eq!(told(server("lab:9000", "b", false, None)), some("http://lab:9000", false));
        assert_eq!(told(server("lab:9000/", "b", true, None)), some("https://lab:9000", false));
        assert_eq!(told(server("http://lab", "b", true, None)), some("http://lab", false));
        assert_eq!(told(server("https://lab", "b", true, Some(false))), some("https://b.lab", true));
        assert_eq!(told(server("s3.amazonaws.com", "b", true, None)), (None, "us-east-1".into(), true));
        assert_eq!(told(server("s3.amazonaws.com", "a.b", true, None)), (None, "us-east-1".into(), false));
        assert_eq!(told(server("s3.eu-west-1.amazonaws.com", "b", true, None)), (None, "eu-west-1".into(), true));
        for wrong in ["", "ftp://lab", "https://"] {
            let config = S3Config { endpoint: wrong.into(), ..S3Config::default() };
            assert_eq!(config.server(None).unwrap_err().kind(), ErrorKind::InvalidConfig, "{wrong}");
        }
    }

    #[test]
    fn credentials_come_whole_and_are_not_shown() {
        let config = S3Config {
            endpoint: "lab".into(),
            bucket: "b".into(),
            access_key: Some("AKIAEXAMPLE".into()),
            ..S3Config::default()
        };
        let error = config.open("raw", &Transfer::default()).unwrap_err();
        assert!(error.to_string().contains("`secret_key` is missing"), "{error}");
        let config = S3Config { secret_key: Some("s3cret".into()), ..config };
        let store = config.open("raw", &Transfer::default()).unwrap();
        let shown = format!("{config:?} {store:?}");
        assert!(!shown.contains("s3cret") && !shown.contains("AKIAEXAMPLE"), "{shown}");
        let mut opposite = config.clone();
        opposite.access_key = None;
        assert!(opposite.open("raw", &Transfer::default()).is_err());
    }
}
