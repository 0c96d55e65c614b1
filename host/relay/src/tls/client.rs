//! The client's side: whom we believe, and the handshake.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::{ClientStream, TlsError, provider};

/// Whom we believe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Any certificate: keeps out those who only listen (RFC 7435).
    Anyone,
    /// A certificate that is valid for the host's name.
    Verified,
}

/// Both ways of connecting, ready made. Cheap to clone; TLS sessions are resumed across connections.
#[derive(Clone)]
pub struct ClientTls {
    anyone: TlsConnector,
    verified: TlsConnector,
}

impl ClientTls {
    /// Takes the system's roots, and those of a PEM file where one is given. A system without roots is no error: nothing
    /// is valid then.
    pub fn new(ca_file: Option<&Path>) -> Result<ClientTls, TlsError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = ca_file {
            let unreadable = |error: String| TlsError::Unreadable {
                path: path.to_owned(),
                error,
            };
            let pem = std::fs::read(path).map_err(|e| unreadable(e.to_string()))?;
            let before = roots.len();
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                roots.add(certificate.map_err(|e| unreadable(e.to_string()))?)?;
            }
            if roots.len() == before {
                return Err(TlsError::NoCertificate {
                    path: path.to_owned(),
                });
            }
        }
        let verified = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let anyone = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anyone {
                provider: provider(),
            }))
            .with_no_client_auth();
        Ok(ClientTls {
            anyone: TlsConnector::from(Arc::new(anyone)),
            verified: TlsConnector::from(Arc::new(verified)),
        })
    }

    /// The handshake. `host` is the name of the host, or its address. The caller bounds it in time.
    pub async fn connect<S>(
        &self,
        trust: Trust,
        host: &str,
        stream: S,
    ) -> io::Result<ClientStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
        let connector = match trust {
            Trust::Anyone => &self.anyone,
            Trust::Verified => &self.verified,
        };
        connector.connect(name, stream).await
    }
}

/// Believes every certificate, but still checks that the peer has its key.
#[derive(Debug)]
struct Anyone {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
