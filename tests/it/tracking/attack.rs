//! Messages that want to cost time or memory, or to smuggle something through.

use std::path::Path;

use memchr::memmem;

/// What no message may do: take long, take much, or lose anything. Each is run by a process of its own, whose use of the
/// processor and of memory the system tells.
#[test]
fn hostile_messages_cost_bounded_time_and_memory_and_are_not_lost() {
    let html = "Content-Type: text/html\r\n\r\n";
    let link = "<a href=\"https://x.test/\">x</a>\r\n";
    let megabytes = |text: &str, count: usize| text.repeat((count << 20) / text.len());
    let nested = |depth: usize| -> String {
        let open = |level| {
            format!("Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n")
        };
        (0..depth).map(open).collect::<String>() + html + link
    };
    let folder = tempfile::tempdir().expect("a folder");
    for (what, message, is_changed) in [
        (
            "3 MB of tags",
            format!("{html}{}", megabytes("<a>", 3)),
            true,
        ),
        (
            "3 MB of links",
            format!("{html}{}", megabytes(link, 3)),
            true,
        ),
        (
            "25 MB of tags",
            format!("{html}{}", megabytes("<b>\r\n", 25)),
            false,
        ),
        (
            "25 MB of links",
            format!("{html}{}", megabytes(link, 25)),
            false,
        ),
        (
            "3 MB of open comments",
            format!("{html}{}", megabytes("<!--[if mso]><!", 3)),
            false,
        ),
        (
            "3 MB of conditions",
            format!("{html}{}", megabytes("<![if mso]><v:a>", 3)),
            true,
        ),
        (
            "one attribute of 3 MB",
            format!(
                "{html}<a href=\"https://x.test/{}\">",
                megabytes("&amp;", 3)
            ),
            true,
        ),
        (
            "25 MB beside a link",
            format!(
                "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n{html}{link}--b\r\n\
                 Content-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n--b--\r\n",
                megabytes(&format!("{}\r\n", "QUJD".repeat(19)), 25)
            ),
            true,
        ),
        ("40 levels", nested(40), true),
        ("20000 levels", nested(20_000), false),
        (
            "100000 parts",
            format!(
                "Content-Type: multipart/mixed; boundary=b\r\n\r\n{}",
                format!("--b\r\n{html}{link}").repeat(100_000)
            ),
            false,
        ),
        (
            "a charset that shifts",
            format!(
                "Content-Type: text/html; charset=utf-7\r\n\r\n+ADw-a href=+ACI-https://x.test/+ACI-+AD4-{link}"
            ),
            false,
        ),
        (
            "a charset with a line end in it",
            format!("Content-Type: text/html; charset=\"x\\\r\n\tInjected: yes\"\r\n\r\n{link}"),
            true,
        ),
        (
            "a target with line ends in it",
            format!("{html}<a href=\"https://x.test/&#13;&#10;Set-Cookie:&#32;a=b\">x</a>\r\n"),
            true,
        ),
    ] {
        let file = folder.path().join("hostile.eml");
        std::fs::write(&file, &message).expect("a file");
        let used = measured(&file, &folder.path().join("out.eml"));
        let out = std::fs::read(folder.path().join("out.eml")).expect("what came out");
        assert_eq!(used.status, 0, "{what}");
        assert_eq!(out != message.as_bytes(), is_changed, "{what}");
        assert!(out.len() >= message.len(), "{what}");
        assert!(memmem::find(&out, b"\r\nInjected").is_none(), "{what}");
        assert!(used.seconds < 60.0, "{what}: {used:?}");
        assert!(used.mebibytes < 600, "{what}: {used:?}");
    }
}

#[derive(Debug)]
struct Used {
    status: i32,
    /// Of the processor.
    seconds: f64,
    mebibytes: i64,
}

#[allow(clippy::zombie_processes)] // It is waited for by other means.
fn measured(file: &Path, out: &Path) -> Used {
    let child = std::process::Command::new(baton_tests::relay::binary())
        .args([
            "plugin",
            "run",
            "link-tracking",
            "--hook",
            "on-data",
            "--eml",
        ])
        .arg(file)
        .stdout(std::fs::File::create(out).expect("a file"))
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("baton runs");
    wait(&child)
}

/// Waits for the child in place of the standard library, which does not tell what it used.
fn wait(child: &std::process::Child) -> Used {
    let mut status = 0;
    // SAFETY: all zeroes is a good value of this plain structure of numbers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let id = libc::pid_t::try_from(child.id()).expect("an id");
    // SAFETY: both pointers are to variables of our own, and nobody else waits for this child.
    let waited = unsafe { libc::wait4(id, &raw mut status, 0, &raw mut usage) };
    assert_eq!(waited, id);
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    Used {
        status,
        seconds: seconds(usage.ru_utime) + seconds(usage.ru_stime),
        mebibytes: usage.ru_maxrss / 1024,
    }
}
