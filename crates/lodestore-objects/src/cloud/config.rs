//! How transfers over a network are made, and what a room must tell to have a store made.

use std::sync::Arc;
use std::time::Duration;

use lodestore_types::{Error, ErrorKind, Result, StorePath};
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};

use super::error::Secrets;
use super::http::Connector;

/// How transfers to a store of the network are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// So many requests to a store are under way at once.
    pub requests: usize,
    /// So many bytes of files are in memory at once, on their way into a store.
    pub memory: u64,
    /// An object larger than two parts goes in parts of this size, in bytes, up and down.
    pub part_size: u64,
    /// A request is tried again so many times,
    pub retries: usize,
    /// and not after this time.
    pub retry_timeout: Duration,
    /// A server that accepts no connection for so long is given up.
    pub connect_timeout: Duration,
    /// A server that sends nothing for so long is given up.
    pub read_timeout: Duration,
}

impl Default for Transfer {
    fn default() -> Self {
        Transfer {
            requests: 64,
            memory: 256 << 20,
            part_size: 8 << 20,
            retries: 10,
            retry_timeout: Duration::from_secs(180),
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(60),
        }
    }
}

impl Transfer {
    /// The options of a client that talks to `endpoint`, or to a server that the room knows.
    pub(crate) fn client_options(&self, endpoint: Option<&str>, proxy: Option<&str>) -> ClientOptions {
        let options = ClientOptions::new()
            .with_timeout_disabled()
            .with_connect_timeout(self.connect_timeout)
            .with_read_timeout(self.read_timeout)
            .with_pool_max_idle_per_host(self.requests);
        let options = match proxy {
            Some(proxy) => options.with_proxy_url(proxy),
            None => options,
        };
        match endpoint {
            // A machine without certificates of authorities could not make a client otherwise.
            Some(endpoint) if endpoint.starts_with("http://") => {
                options.with_allow_http(true).with_no_system_certificates(true)
            }
            _ => options,
        }
    }

    /// How a client tries again.
    pub(crate) fn retry(&self) -> RetryConfig {
        RetryConfig { backoff: BackoffConfig::default(), max_retries: self.retries, retry_timeout: self.retry_timeout }
    }

    /// The size of the parts of an object: no store takes more than 10,000 of them.
    pub(crate) fn part_of(&self, size: u64) -> u64 {
        const MOST_PARTS: u64 = 9_000;
        // Stores refuse parts below five mebibytes.
        self.part_size.max(5 << 20).max(size.div_ceil(MOST_PARTS).next_multiple_of(1 << 20))
    }
}

/// Makes a client; it makes no request.
pub(crate) type MakeClient = dyn Fn(Connector) -> object_store::Result<Arc<dyn ObjectStore>> + Send + Sync;

/// What a room tells of a store.
pub(crate) struct Opening {
    /// The name of the store.
    pub name: String,
    /// The URL of its bucket, such as `s3://bucket`.
    pub bucket: String,
    /// The checked prefix of all objects, without outer slashes; empty for none.
    pub location: String,
    /// How transfers are made.
    pub transfer: Transfer,
    /// What must not be told.
    pub secrets: Secrets,
    /// Makes the client.
    pub client: Box<MakeClient>,
}

/// A prefix in a bucket in its one spelling.
///
/// # Errors
/// `InvalidConfig` if it is no path.
pub(crate) fn location(store: &str, text: &str) -> Result<String> {
    let trimmed = text.trim_matches('/');
    if trimmed.is_empty() {
        return Ok(String::new());
    }
    StorePath::new(trimmed).map(|path| path.to_string()).map_err(|error| {
        Error::new(ErrorKind::InvalidConfig, format!("the location `{text}` is no path inside a bucket"))
            .with("store", store)
            .with_source(error)
    })
}
