//! What a plain concurrent client does: uploads so many bytes to the server that `LODESTORE_TEST_S3` names, in parts of
//! 8 MiB, sixteen at a time, and prints the seconds that it took. `benches/stores.py` compares with it.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt, WriteMultipart};

const PART: usize = 8 << 20;
const AT_ONCE: usize = 16;

fn main() -> Result<(), Box<dyn Error>> {
    let size: usize = std::env::args().nth(1).ok_or("how many bytes?")?.parse()?;
    let url = std::env::var("LODESTORE_TEST_S3")?;
    let (user, rest) = url.trim_start_matches("http://").split_once('@').ok_or("no credentials")?;
    let (name, key) = user.split_once(':').ok_or("no key")?;
    let (host, bucket) = rest.split_once('/').ok_or("no bucket")?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let options = ClientOptions::new().with_allow_http(true).with_no_system_certificates(true);
    let store = runtime.block_on(async {
        AmazonS3Builder::new()
            .with_endpoint(format!("http://{host}"))
            .with_bucket_name(bucket)
            .with_region("us-east-1")
            .with_access_key_id(name)
            .with_secret_access_key(key)
            .with_client_options(options.with_timeout_disabled())
            .build()
    })?;
    let store: Arc<dyn ObjectStore> = Arc::new(store);
    let content = Bytes::from(vec![0; size]);
    let path = Path::parse("plain-client/large")?;
    let begun = Instant::now();
    runtime.block_on(async {
        let mut upload = WriteMultipart::new_with_chunk_size(store.put_multipart(&path).await?, PART);
        for start in (0..content.len()).step_by(PART) {
            upload.wait_for_capacity(AT_ONCE).await?;
            upload.put(content.slice(start..content.len().min(start + PART)));
        }
        upload.finish().await
    })?;
    println!("{}", begun.elapsed().as_secs_f64());
    Ok(())
}
