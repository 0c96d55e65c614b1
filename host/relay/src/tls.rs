//! TLS in both directions, and the only user of rustls.
//!
//! As a server: a certificate that is read again when its files change, so that a renewal needs no restart; sessions under
//! way keep what they began with. As a client: any certificate where encryption is only a courtesy (RFC 7435), a valid one
//! where somebody demands it.

mod client;
mod server;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use rustls::CommonState;
use rustls::crypto::CryptoProvider;

pub use client::{ClientTls, Trust};
pub use server::{ServerTls, expiry, watch};

/// A TLS stream to a client of ours.
pub type ServerStream<S> = tokio_rustls::server::TlsStream<S>;
/// A TLS stream to a server of somebody.
pub type ClientStream<S> = tokio_rustls::client::TlsStream<S>;

/// Why TLS cannot be set up. What happens in a handshake is an `io::Error`.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read {path}: {error}")]
    Unreadable { path: PathBuf, error: String },
    #[error("{path} holds no certificate")]
    NoCertificate { path: PathBuf },
    #[error("{path} holds no private key")]
    NoKey { path: PathBuf },
    #[error("the certificate {chain} and the key {key} do not go together: {error}")]
    Mismatch {
        chain: PathBuf,
        key: PathBuf,
        error: String,
    },
    #[error("{0}")]
    Rustls(#[from] rustls::Error),
}

/// "TLSv1.3 TLS13_AES_256_GCM_SHA384"; empty before the handshake is done.
pub fn describe(state: &CommonState) -> String {
    let version = match state.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
        _ => return String::new(),
    };
    match state.negotiated_cipher_suite() {
        Some(suite) => format!("{version} {:?}", suite.suite()),
        None => version.to_owned(),
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
