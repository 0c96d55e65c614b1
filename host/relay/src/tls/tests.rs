use std::path::Path;

use rcgen::{CertificateParams, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::config::Certificate;

/// A self-signed certificate for a name, in files.
fn write(folder: &Path, name: &str) -> Certificate {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let files = Certificate {
        chain: folder.join("chain.pem"),
        key: folder.join("key.pem"),
    };
    std::fs::write(&files.chain, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    files
}

/// Shakes hands over a pipe: what the client sees of the server's certificate, and the description of both sides.
async fn handshake(
    server: &ServerTls,
    client: &ClientTls,
    trust: Trust,
    name: &str,
) -> std::io::Result<(Vec<u8>, String, String)> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let accepting = async {
        let mut stream = server.accept(far).await?;
        stream.write_all(b"hello").await?;
        stream.flush().await?;
        Ok::<_, std::io::Error>(describe(stream.get_ref().1))
    };
    let connecting = async {
        let mut stream = client.connect(trust, name, near).await?;
        let mut hello = [0; 5];
        stream.read_exact(&mut hello).await?;
        let state = stream.get_ref().1;
        let certificate = state.peer_certificates().unwrap()[0].to_vec();
        Ok::<_, std::io::Error>((certificate, describe(state)))
    };
    let (accepted, connected) = tokio::join!(accepting, connecting);
    let (certificate, seen) = connected?;
    Ok((certificate, seen, accepted?))
}

#[tokio::test]
async fn both_sides_describe_what_they_agreed_on() {
    let folder = tempfile::tempdir().unwrap();
    let server = ServerTls::load(&write(folder.path(), "mx.test")).unwrap();
    let client = ClientTls::new(None).unwrap();
    let (_, near, far) = handshake(&server, &client, Trust::Anyone, "mx.test")
        .await
        .unwrap();
    assert!(near.starts_with("TLSv1.3 TLS13_"), "{near}");
    assert_eq!(near, far);
}

#[tokio::test]
async fn only_those_who_verify_refuse_a_certificate_that_nobody_signed() {
    let folder = tempfile::tempdir().unwrap();
    let server = ServerTls::load(&write(folder.path(), "mx.test")).unwrap();
    let client = ClientTls::new(None).unwrap();
    assert!(
        handshake(&server, &client, Trust::Anyone, "other.test")
            .await
            .is_ok()
    );
    assert!(
        handshake(&server, &client, Trust::Anyone, "192.0.2.1")
            .await
            .is_ok()
    );
    assert!(
        handshake(&server, &client, Trust::Verified, "mx.test")
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_certificate_of_a_known_authority_is_valid_for_its_own_name_alone() {
    let folder = tempfile::tempdir().unwrap();
    let files = write(folder.path(), "mx.test");
    let server = ServerTls::load(&files).unwrap();
    let client = ClientTls::new(Some(&files.chain)).unwrap();
    assert!(
        handshake(&server, &client, Trust::Verified, "mx.test")
            .await
            .is_ok()
    );
    assert!(
        handshake(&server, &client, Trust::Verified, "other.test")
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_renewed_certificate_is_used_without_a_restart_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let server = ServerTls::load(&write(folder.path(), "mx.test")).unwrap();
    // A new client each time: one that comes back resumes its session and is shown no certificate.
    let shown = async || {
        let client = ClientTls::new(None).unwrap();
        handshake(&server, &client, Trust::Anyone, "mx.test")
            .await
            .unwrap()
            .0
    };
    let first = shown().await;
    assert!(!server.reload_if_changed().unwrap(), "nothing has changed");
    // Another file, as renewal tools write it, so that the change shows whatever the clock's grain.
    std::fs::remove_file(folder.path().join("chain.pem")).unwrap();
    write(folder.path(), "renewed.mx.test");
    assert!(server.reload_if_changed().unwrap());
    let second = shown().await;
    assert_ne!(first, second);
    std::fs::write(folder.path().join("chain.pem"), "nonsense").unwrap();
    assert!(server.reload_if_changed().is_err());
    assert!(
        !server.reload_if_changed().unwrap(),
        "the same broken files are not tried again"
    );
    assert_eq!(shown().await, second);
}

#[test]
fn files_that_do_not_go_together_are_refused_with_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let files = write(folder.path(), "mx.test");
    std::fs::write(&files.key, KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let error = ServerTls::load(&files).err().unwrap();
    assert!(matches!(error, TlsError::Mismatch { .. }), "{error}");
    std::fs::write(&files.key, "").unwrap();
    assert!(matches!(
        ServerTls::load(&files).err().unwrap(),
        TlsError::NoKey { .. }
    ));
    std::fs::remove_file(&files.chain).unwrap();
    let error = ServerTls::load(&files).err().unwrap();
    assert!(
        matches!(&error, TlsError::Unreadable { path, .. } if *path == files.chain),
        "{error}"
    );
}

#[test]
fn a_file_of_roots_without_a_certificate_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roots.pem");
    std::fs::write(&path, "").unwrap();
    assert!(matches!(
        ClientTls::new(Some(&path)).err().unwrap(),
        TlsError::NoCertificate { .. }
    ));
    let params = CertificateParams::new(vec!["root.test".into()]).unwrap();
    let root = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    std::fs::write(&path, root.pem()).unwrap();
    assert!(ClientTls::new(Some(&path)).is_ok());
}
