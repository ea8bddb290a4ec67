//! The store and how it keeps the contract of [`Store`].

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use lodestore_types::{Error, PerProcess, Result, Segment, StorePath, Timestamp};
use object_store::path::Path;
use object_store::{CopyMode, CopyOptions, ObjectMeta, ObjectStore, ObjectStoreExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::config::{Opening, Transfer};
use super::error::{is_missing_bucket, storage};
use super::http::Connector;
use super::list::Listing;
use super::runtime::{runtime, wait};
use crate::{Entries, Entry, Level, PutMode, PutOutcome, Store};

/// Objects in a bucket of S3, Google Cloud Storage or Azure.
///
/// Opening one makes no request: trouble shows when it is used.
pub struct CloudStore {
    pub(super) opening: Opening,
    live: PerProcess<Mutex<Option<Arc<Live>>>>,
}

/// What a store has in one process.
pub(super) struct Live {
    pub(super) client: Arc<dyn ObjectStore>,
    requests: Arc<Semaphore>,
    /// In kibibytes.
    memory: Arc<Semaphore>,
    memory_limit: u32,
    /// The bucket has answered: a missing object is one, and not a missing bucket.
    pub(super) bucket_seen: AtomicBool,
    deletes_together: AtomicBool,
}

impl Live {
    /// Waits until one more request may be made.
    pub(super) async fn request(&self) -> Option<OwnedSemaphorePermit> {
        // Nobody closes the semaphore.
        self.requests.clone().acquire_owned().await.ok()
    }

    /// Waits until so many more bytes may be held.
    pub(super) async fn memory(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let wanted = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).min(self.memory_limit);
        self.memory.clone().acquire_many_owned(wanted).await.ok()
    }
}

impl CloudStore {
    /// Checks that a client can be made of the settings, and makes it.
    pub(crate) fn open(opening: Opening) -> Result<Self> {
        let store = CloudStore { opening, live: PerProcess::new() };
        store.live()?;
        Ok(store)
    }

    /// The client of this process: a forked child cannot use its parent's.
    pub(super) fn live(&self) -> Result<Arc<Live>> {
        let mut live = self.live.get().lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(live) = live.as_ref() {
            return Ok(live.clone());
        }
        // A client is made where its runtime can be found.
        let runtime = runtime()?;
        let _inside = runtime.enter();
        let client = (self.opening.client)(Connector::new(self.opening.transfer.retry_timeout))
            .map_err(|error| storage("open the store", &error, &self.opening.secrets).with("store", self.name()))?;
        let Transfer { requests, memory, .. } = self.opening.transfer;
        let memory_limit = u32::try_from(memory / 1024).unwrap_or(u32::MAX).clamp(1, Semaphore::MAX_PERMITS as u32);
        let made = Arc::new(Live {
            client,
            requests: Arc::new(Semaphore::new(requests.max(1))),
            memory: Arc::new(Semaphore::new(memory_limit as usize)),
            memory_limit,
            bucket_seen: AtomicBool::new(false),
            deletes_together: AtomicBool::new(true),
        });
        Ok(live.insert(made).clone())
    }

    pub(super) fn transfer(&self) -> &Transfer {
        &self.opening.transfer
    }

    /// The key of an object in the bucket.
    pub(super) fn key(&self, path: &StorePath) -> Result<Path> {
        let key = match self.opening.location.as_str() {
            "" => path.to_string(),
            location => format!("{location}/{path}"),
        };
        self.parse(&key)
    }

    /// The key of a folder; `None` for the whole bucket.
    pub(super) fn folder_key(&self, folder: Option<&StorePath>) -> Result<Option<Path>> {
        match folder {
            Some(folder) => self.key(folder).map(Some),
            None if self.opening.location.is_empty() => Ok(None),
            None => self.parse(&self.opening.location).map(Some),
        }
    }

    fn parse(&self, key: &str) -> Result<Path> {
        let fail = |error: object_store::path::Error| storage("name the object", &error.into(), &self.opening.secrets);
        // Never `Path::from`, which would encode what the client encodes again.
        Path::parse(key).map_err(|error| fail(error).with("store", self.name()).with("path", key))
    }

    /// What is told of an object; `None` if its key is none of this store's paths.
    pub(super) fn entry(&self, meta: &ObjectMeta) -> Option<Entry> {
        let key = meta.location.as_ref();
        let path = match self.opening.location.as_str() {
            "" => key,
            location => key.strip_prefix(location)?.strip_prefix('/')?,
        };
        Some(Entry { path: StorePath::new(path).ok()?, size: meta.size, modified: modified(meta) })
    }

    pub(super) fn fail(&self, doing: &str, error: &object_store::Error) -> Error {
        storage(doing, error, &self.opening.secrets).with("store", self.name())
    }

    /// Makes sure that an object is missing, and not its bucket: that would be trouble.
    pub(super) async fn absent(&self, live: &Live, doing: &str, error: &object_store::Error) -> Result<()> {
        if is_missing_bucket(&error.to_string()) {
            return Err(self.fail(doing, error));
        }
        if !live.bucket_seen.load(Ordering::Relaxed) {
            // An answer without a body does not tell which of both is missing.
            let nowhere = Path::from_iter([".lodestore", "nowhere"]);
            let listed = again_and_again(|| async { live.client.list(Some(&nowhere)).next().await.transpose() });
            if let Err(error) = listed.await {
                return Err(self.fail(doing, &error));
            }
            live.bucket_seen.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// What the store tells of a key.
    pub(super) async fn look(&self, live: &Live, key: &Path) -> Result<Option<ObjectMeta>> {
        let _permit = live.request().await;
        match live.client.head(key).await {
            Ok(meta) => Ok(Some(meta)),
            Err(error @ object_store::Error::NotFound { .. }) => {
                self.absent(live, "look at the object", &error).await.map(|()| None)
            }
            Err(error) => Err(self.fail("look at the object", &error)),
        }
    }

    pub(super) async fn delete_one(&self, live: &Live, key: &Path) -> Result<()> {
        let _permit = live.request().await;
        // To delete once more does no harm; the client does not know that of a request to delete many.
        match again_and_again(|| live.client.delete(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.fail("delete the object", &error)),
        }
    }

    /// Deletes up to as many objects as one request takes.
    async fn delete_together(&self, live: &Live, keys: &[Path]) -> Vec<Result<()>> {
        if live.deletes_together.load(Ordering::Relaxed) {
            let _permit = live.request().await;
            let given = stream::iter(keys.iter().cloned().map(Ok).collect::<Vec<_>>()).boxed();
            let told: Vec<_> = live.client.delete_stream(given).collect().await;
            if told.len() == keys.len() {
                let outcome = |told| match told {
                    Ok(_) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                    Err(error) => Err(self.fail("delete the object", &error)),
                };
                return told.into_iter().map(outcome).collect();
            }
        }
        // The request failed as a whole. Some servers know no such request: then none is made again.
        let one = |key| self.delete_one(live, key);
        let outcomes: Vec<Result<()>> =
            stream::iter(keys).map(one).buffered(self.transfer().requests.max(1)).collect().await;
        if outcomes.iter().all(Result::is_ok) {
            live.deletes_together.store(false, Ordering::Relaxed);
        }
        outcomes
    }
}

/// Does what may be done twice until it succeeds, or fails by more than an accident of the network. The client itself
/// tries no request again whose answer breaks off, and none that it does not know to be harmless.
pub(super) async fn again_and_again<T, F>(mut work: impl FnMut() -> F) -> object_store::Result<T>
where
    F: Future<Output = object_store::Result<T>>,
{
    let mut pause = Duration::from_millis(100);
    for _ in 0..3 {
        match work().await {
            Err(object_store::Error::Generic { .. }) => tokio::time::sleep(pause).await,
            done => return done,
        }
        pause *= 2;
    }
    work().await
}

/// When an object was written.
fn modified(meta: &ObjectMeta) -> Timestamp {
    let told = meta.last_modified;
    let nanoseconds = i32::try_from(told.timestamp_subsec_nanos()).unwrap_or(0);
    Timestamp::new(told.timestamp(), nanoseconds).unwrap_or(Timestamp::MIN)
}

impl Store for CloudStore {
    fn name(&self) -> &str {
        &self.opening.name
    }

    /// `s3://bucket/location/path`, as other programs write it: nothing is encoded.
    fn url(&self, path: Option<&StorePath>) -> String {
        let mut url = self.opening.bucket.clone();
        let location = Some(self.opening.location.as_str()).filter(|location| !location.is_empty());
        for part in location.into_iter().chain(path.map(StorePath::as_str)) {
            url.push('/');
            url.push_str(part);
        }
        url
    }

    fn put(&self, path: &StorePath, payload: &[Segment], mode: PutMode) -> Result<PutOutcome> {
        self.put_payload(path, payload, mode, None).map_err(|error| error.with("path", path))
    }

    fn put_checked(&self, path: &StorePath, payload: &[Segment], mode: PutMode, checksum: &str) -> Result<PutOutcome> {
        self.put_payload(path, payload, mode, Some(checksum)).map_err(|error| error.with("path", path))
    }

    fn recorded_checksum(&self, path: &StorePath) -> Result<Option<String>> {
        self.checksum_of(path).map_err(|error| error.with("path", path))
    }

    fn swap(&self, path: &StorePath, expected: &Bytes, new: Bytes) -> Result<bool> {
        self.swap_small(path, expected, new).map_err(|error| error.with("path", path))
    }

    fn get(&self, path: &StorePath) -> Result<Option<Bytes>> {
        let (live, key) = (self.live()?, self.key(path)?);
        wait(self.get_whole(&live, &key)).map_err(|error| error.with("path", path))
    }

    fn get_ranges(&self, path: &StorePath, ranges: &[Range<u64>]) -> Result<Option<Vec<Bytes>>> {
        self.read_ranges(path, None, ranges).map_err(|error| error.with("path", path))
    }

    fn get_ranges_of(&self, path: &StorePath, size: u64, ranges: &[Range<u64>]) -> Result<Option<Vec<Bytes>>> {
        self.read_ranges(path, Some(size), ranges).map_err(|error| error.with("path", path))
    }

    fn head(&self, path: &StorePath) -> Result<Option<Entry>> {
        let (live, key) = (self.live()?, self.key(path)?);
        let meta = wait(self.look(&live, &key)).map_err(|error| error.with("path", path))?;
        Ok(meta.map(|meta| Entry { path: path.clone(), size: meta.size, modified: modified(&meta) }))
    }

    fn list(&self, folder: Option<&StorePath>) -> Result<Entries<'_>> {
        Ok(Box::new(Listing::begin(self, folder)?))
    }

    fn delete(&self, path: &StorePath) -> Result<()> {
        let (live, key) = (self.live()?, self.key(path)?);
        wait(self.delete_one(&live, &key)).map_err(|error| error.with("path", path))
    }

    fn read_into(&self, path: &StorePath, start: u64, buffer: &mut [u8]) -> Result<bool> {
        let (live, key) = (self.live()?, self.key(path)?);
        wait(self.fill(&live, &key, vec![(start, buffer)], None, None)).map_err(|error| error.with("path", path))
    }

    fn list_level(&self, folder: Option<&StorePath>) -> Result<Level> {
        let (live, key) = (self.live()?, self.folder_key(folder)?);
        let listed = wait(async {
            let _permit = live.request().await;
            let listed = again_and_again(|| live.client.list_with_delimiter(key.as_ref()));
            listed.await.map_err(|error| self.fail("list a folder of the store", &error))
        })?;
        let objects = listed.objects.iter().filter(|meta| Some(&meta.location) != key.as_ref());
        let mut objects: Vec<Entry> = objects.filter_map(|meta| self.entry(meta)).collect();
        objects.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        let above = self.opening.location.len() + usize::from(!self.opening.location.is_empty());
        let inner = |prefix: &Path| StorePath::new(prefix.as_ref().get(above..)?).ok();
        let mut folders: Vec<StorePath> = listed.common_prefixes.iter().filter_map(inner).collect();
        folders.sort_unstable();
        Ok(Level { objects, folders })
    }

    /// Copied by the servers: nothing passes through this machine.
    fn copy(&self, from: &StorePath, to: &StorePath, mode: PutMode) -> Result<Option<PutOutcome>> {
        let (live, from, key) = (self.live()?, self.key(from)?, self.key(to)?);
        let mode = if mode == PutMode::Replace { CopyMode::Overwrite } else { CopyMode::Create };
        wait(async {
            let doing = "copy the object";
            let _permit = live.request().await;
            match live.client.copy_opts(&from, &key, CopyOptions::new().with_mode(mode)).await {
                Ok(()) => Ok(Some(PutOutcome::Written)),
                Err(object_store::Error::AlreadyExists { .. }) => Ok(Some(PutOutcome::AlreadyThere)),
                Err(error @ object_store::Error::NotFound { .. }) => {
                    self.absent(&live, doing, &error).await.map(|()| None)
                }
                Err(error) => Err(self.fail(doing, &error)),
            }
        })
        .map_err(|error| error.with("path", to))
    }

    fn delete_many(&self, paths: &[StorePath]) -> Vec<Result<()>> {
        let deleted = self.live().and_then(|live| {
            let keys = paths.iter().map(|path| self.key(path)).collect::<Result<Vec<_>>>()?;
            wait(async { Ok(self.delete_together(&live, &keys).await) })
        });
        match deleted {
            Ok(outcomes) => outcomes
                .into_iter()
                .zip(paths)
                .map(|(outcome, path)| outcome.map_err(|error| error.with("path", path)))
                .collect(),
            Err(error) => paths.iter().map(|_| Err(again(&error))).collect(),
        }
    }

    fn at_once(&self) -> usize {
        self.transfer().requests.max(1)
    }
}

/// The same error for another object.
fn again(error: &Error) -> Error {
    let again = Error::new(error.kind(), error.message());
    let again = error.context().fold(again, |again, (key, value)| again.with(key, value));
    error.hint().into_iter().fold(again, |again, hint| again.with_hint(hint))
}

impl fmt::Debug for CloudStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloudStore({}, {})", self.opening.name, self.url(None))
    }
}
