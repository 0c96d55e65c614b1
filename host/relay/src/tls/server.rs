//! The server's side: certificate, handshake, renewal.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

use super::{ServerStream, TlsError, provider};
use crate::clock::Timestamp;
use crate::config::Certificate;
use crate::event::{Bus, Event};

/// How often the files are looked at.
const CHECK_EVERY: Duration = Duration::from_secs(5);

/// A certificate in use. Cheap to clone; all clones follow a reload.
#[derive(Clone)]
pub struct ServerTls {
    acceptor: TlsAcceptor,
    current: Arc<Current>,
}

struct Current {
    files: Certificate,
    key: ArcSwap<CertifiedKey>,
    seen: Mutex<Seen>,
}

/// What tells one version of the files from the next.
#[derive(PartialEq, Eq, Clone)]
struct Seen {
    chain: Option<(SystemTime, u64, u64)>,
    key: Option<(SystemTime, u64, u64)>,
}

impl ServerTls {
    /// Reads and checks the files.
    pub fn load(files: &Certificate) -> Result<ServerTls, TlsError> {
        let seen = look(files);
        let current = Arc::new(Current {
            key: ArcSwap::from_pointee(read(files)?),
            files: files.clone(),
            seen: Mutex::new(seen),
        });
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.ticketer = rustls::crypto::ring::Ticketer::new()?;
        Ok(ServerTls {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            current,
        })
    }

    /// The handshake. The caller bounds it in time.
    pub async fn accept<S>(&self, stream: S) -> io::Result<ServerStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.acceptor.accept(stream).await
    }

    pub fn files(&self) -> &Certificate {
        &self.current.files
    }

    /// Reads the files again if they look different from last time: true if a new certificate is in use. On an error
    /// the old one stays, and the same files are not tried again.
    pub fn reload_if_changed(&self) -> Result<bool, TlsError> {
        let now = look(&self.current.files);
        {
            let mut seen = self.current.seen.lock().unwrap_or_else(|e| e.into_inner());
            if *seen == now {
                return Ok(false);
            }
            *seen = now;
        }
        self.current.key.store(Arc::new(read(&self.current.files)?));
        Ok(true)
    }
}

/// When the first certificate of a chain ends.
pub fn expiry(files: &Certificate) -> Result<Timestamp, TlsError> {
    let none = || TlsError::NoCertificate {
        path: files.chain.clone(),
    };
    let pem = fs::read(&files.chain).map_err(|error| TlsError::Unreadable {
        path: files.chain.clone(),
        error: error.to_string(),
    })?;
    let first = CertificateDer::from_pem_slice(&pem).map_err(|_| none())?;
    let (_, certificate) = x509_parser::parse_x509_certificate(&first).map_err(|_| none())?;
    let seconds = certificate.validity().not_after.timestamp();
    let seconds = u64::try_from(seconds).unwrap_or(0);
    Ok(Timestamp::from_millis(seconds.saturating_mul(1000)))
}

/// Follows the files for ever.
pub async fn watch(certificates: Vec<ServerTls>, bus: Bus) {
    let mut tick = tokio::time::interval(CHECK_EVERY);
    loop {
        tick.tick().await;
        for certificate in &certificates {
            let path = certificate.files().chain.display().to_string();
            match certificate.reload_if_changed() {
                Ok(false) => {}
                Ok(true) => bus.emit(Event::CertificateReloaded { path }),
                Err(e) => bus.emit(Event::CertificateFailed {
                    path,
                    error: e.to_string(),
                }),
            }
        }
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.key.load_full())
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Current")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

fn read(files: &Certificate) -> Result<CertifiedKey, TlsError> {
    let unreadable = |path: &Path, error: String| TlsError::Unreadable {
        path: path.to_owned(),
        error,
    };
    let pem = fs::read(&files.chain).map_err(|e| unreadable(&files.chain, e.to_string()))?;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|e| unreadable(&files.chain, e.to_string()))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate {
            path: files.chain.clone(),
        });
    }
    let pem = fs::read(&files.key).map_err(|e| unreadable(&files.key, e.to_string()))?;
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| TlsError::NoKey {
        path: files.key.clone(),
    })?;
    CertifiedKey::from_der(chain, key, &provider()).map_err(|e| TlsError::Mismatch {
        chain: files.chain.clone(),
        key: files.key.clone(),
        error: e.to_string(),
    })
}

fn look(files: &Certificate) -> Seen {
    use std::os::unix::fs::MetadataExt;
    let one = |path: &Path| {
        let meta = fs::metadata(path).ok()?;
        Some((meta.modified().ok()?, meta.ino(), meta.len()))
    };
    Seen {
        chain: one(&files.chain),
        key: one(&files.key),
    }
}
