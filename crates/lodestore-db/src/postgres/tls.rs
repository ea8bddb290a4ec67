//! Whom an encrypted connection trusts.

use std::path::Path;
use std::sync::Arc;

use lodestore_types::{Error, ErrorKind, Result};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::server::warn_unverified;
use crate::{ServerConfig, Tls, TlsOptions, Verify};

/// What makes an encrypted connection of a plain one.
pub(super) fn connector(server: &ServerConfig) -> Result<MakeRustlsConnect> {
    let options = match &server.tls {
        Tls::Required(options) => options.clone(),
        // Nobody listens inside this machine, and a server there has a certificate of its own making.
        _ if server.is_local() => TlsOptions { verify: Verify::Never, ..TlsOptions::default() },
        _ => TlsOptions::default(),
    };
    let provider = Arc::new(ring::default_provider());
    let verifier = verifier(&options, &provider, server)?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable("no version of TLS is usable", error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let config = match (&options.cert, &options.key) {
        (Some(cert), Some(key)) => {
            let key = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, error))?;
            config
                .with_client_auth_cert(certificates(cert)?, key)
                .map_err(|error| unusable("the client's certificate and key do not fit", error))?
        }
        _ => config.with_no_client_auth(),
    };
    Ok(MakeRustlsConnect::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(|error| unreadable(path, error))
}

fn verifier(options: &TlsOptions, provider: &Arc<CryptoProvider>, server: &ServerConfig) -> Result<Verifier> {
    let verify = options.verify != Verify::Never;
    let mut roots = RootCertStore::empty();
    let mut own = Vec::new();
    match &options.ca {
        Some(path) => {
            own = certificates(path)?;
            for certificate in &own {
                roots.add(certificate.clone()).map_err(|error| unreadable(path, error))?;
            }
        }
        None if verify && server.tls != Tls::Off => {
            // Those that cannot be read are trusted by nobody.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        None => {}
    }
    let chain = (verify && !roots.is_empty())
        .then(|| WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build())
        .transpose()
        .map_err(|error| unusable("the trusted certificates cannot be used", error))?;
    Ok(Verifier { chain, own, options: options.clone(), provider: provider.clone(), server: server.clone() })
}

/// Holds a server's certificate to what the options ask.
#[derive(Debug)]
struct Verifier {
    /// `None` without trusted authorities.
    chain: Option<Arc<WebPkiServerVerifier>>,
    /// The certificates in the file that was named.
    own: Vec<CertificateDer<'static>>,
    options: TlsOptions,
    provider: Arc<CryptoProvider>,
    server: ServerConfig,
}

impl Verifier {
    fn verify(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else {
            return Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer));
        };
        let verdict = match self.own.iter().any(|own| own == end_entity) {
            // A server that signs for itself often shows an authority's certificate, which chains refuse.
            true => ParsedCertificate::try_from(end_entity)
                .and_then(|certificate| verify_server_name(&certificate, name))
                .map(|()| ServerCertVerified::assertion()),
            false => chain.verify_server_cert(end_entity, intermediates, name, ocsp, now),
        };
        match verdict {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.options.check_hostname => Ok(ServerCertVerified::assertion()),
            verdict => verdict,
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.options.verify == Verify::Never {
            return Ok(ServerCertVerified::assertion());
        }
        match self.verify(end_entity, intermediates, name, ocsp, now) {
            Err(error) if self.options.verify == Verify::OrWarn => {
                warn_unverified(&self.server, &error.to_string());
                Ok(ServerCertVerified::assertion())
            }
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn unusable(what: &str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::InvalidConfig, what).with_source(error)
}

fn unreadable(path: &Path, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::InvalidConfig, format!("{} holds no usable certificate or key", path.display()))
        .with_hint("`use_tls` names files in PEM format")
        .with_source(error)
}
