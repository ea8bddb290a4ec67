//! Requests, held back while the server asks for patience.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};

/// How long all requests wait if the server does not say.
const BREATH: Duration = Duration::from_millis(50);
/// A server that asks for more than this is not waited for: the request's own retries are.
const LONGEST: Duration = Duration::from_secs(60);

/// Makes clients whose requests pass one gate.
#[derive(Debug, Clone)]
pub(crate) struct Connector(Arc<Gate>);

impl Connector {
    /// A request waits for no longer than `budget`, however much patience the server asks for, and however often.
    pub(crate) fn new(budget: Duration) -> Self {
        Connector(Arc::new(Gate { opens: Mutex::default(), budget }))
    }
}

/// Shut while the server asks for patience.
#[derive(Debug)]
struct Gate {
    opens: Mutex<Option<Instant>>,
    budget: Duration,
}

impl Gate {
    fn opens(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.opens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn pass(&self) {
        let until = Instant::now() + self.budget;
        loop {
            let opens = *self.opens();
            match opens.filter(|opens| *opens > Instant::now()) {
                // Answers to other requests may shut it again and again.
                Some(opens) if opens >= until => return tokio::time::sleep_until(until.into()).await,
                Some(opens) => tokio::time::sleep_until(opens.into()).await,
                None => return,
            }
        }
    }

    fn shut(&self, pause: Duration) {
        let until = Instant::now() + pause.min(self.budget);
        let mut opens = self.opens();
        *opens = opens.map_or(Some(until), |opens| Some(opens.max(until)));
    }
}

#[derive(Debug)]
struct Service {
    inner: HttpClient,
    gate: Arc<Gate>,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let inner = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Service { inner, gate: self.0.clone() }))
    }
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.gate.pass().await;
        let response = self.inner.execute(request).await?;
        if let Some(pause) = asked_pause(&response) {
            self.gate.shut(pause);
            // The request that was refused waits as well, before its own retries do.
            self.gate.pass().await;
        }
        Ok(response)
    }
}

/// How long the server asks to wait, if it does.
fn asked_pause(response: &HttpResponse) -> Option<Duration> {
    if !matches!(response.status().as_u16(), 429 | 503) {
        return None;
    }
    let told = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Some(told.map_or(BREATH, Duration::from_secs).min(LONGEST))
}
