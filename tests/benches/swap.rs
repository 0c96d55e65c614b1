//! Does mail notice that a large component is compiled? Clients send at a steady pace; the time from the end of data to the
//! reply is measured before, and while a component of many megabytes is dropped in, compiled and swapped in.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use baton_tests::guests::guest;
use baton_tests::{Client, Relay};

use crate::Options;

/// A plugin that works, with a module beside it that is compiled and never run.
fn large(mib: usize) -> Vec<u8> {
    let mut bytes = guest("stamp_one").to_vec();
    let module = module(mib << 20);
    bytes.push(1);
    number(&mut bytes, module.len());
    bytes.extend_from_slice(&module);
    bytes
}

/// A core module of about that size: functions of arithmetic, each a little different.
fn module(size: usize) -> Vec<u8> {
    const OPERATIONS: usize = 200;
    let per_function = OPERATIONS * 7;
    let count = size / per_function;
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    section(&mut module, 1, &[1, 0x60, 1, 0x7f, 1, 0x7f]);
    let mut types = Vec::new();
    number(&mut types, count);
    types.resize(types.len() + count, 0);
    section(&mut module, 3, &types);
    let mut code = Vec::new();
    number(&mut code, count);
    for n in 0..count {
        let mut body = vec![0];
        for at in 0..OPERATIONS {
            // local.get 0, i32.const, an operation, local.set 0
            body.extend_from_slice(&[0x20, 0, 0x41]);
            let constant = (n * 31 + at * 7) & 0x3f;
            body.push(constant as u8);
            body.push([0x6a, 0x6b, 0x6c, 0x73][at % 4]);
            body.extend_from_slice(&[0x21, 0]);
        }
        body.extend_from_slice(&[0x20, 0, 0x0b]);
        number(&mut code, body.len());
        code.extend_from_slice(&body);
    }
    section(&mut module, 10, &code);
    module
}

fn section(module: &mut Vec<u8>, id: u8, content: &[u8]) {
    module.push(id);
    number(module, content.len());
    module.extend_from_slice(content);
}

/// LEB128.
fn number(bytes: &mut Vec<u8>, mut value: usize) {
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        bytes.push(if value == 0 { byte } else { byte | 0x80 });
        if value == 0 {
            return;
        }
    }
}

/// `bench swap [--mib N] [--sessions N] [--pause-ms N] [--seconds N]`
pub fn main(options: &Options) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let numbers = runtime.block_on(measure(options));
    let mut names: Vec<_> = numbers.iter().collect();
    names.sort_by_key(|(name, _)| **name);
    for (name, value) in names {
        println!("{name:32} {value:10.2}");
    }
}

async fn measure(options: &Options) -> HashMap<&'static str, f64> {
    let component = large(options.number("mib", 12));
    let pause = Duration::from_millis(options.number("pause-ms", 20) as u64);
    let seconds = Duration::from_secs(options.number("seconds", 15) as u64);
    let relay = Relay::dev().await;
    let phase = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicBool::new(false));
    let mut clients = Vec::new();
    for n in 0..options.number("sessions", 8) {
        let (phase, done, addr) = (phase.clone(), done.clone(), relay.smtp);
        clients.push(tokio::spawn(async move {
            let mut times: [Vec<f64>; 2] = Default::default();
            let line = "All work and no play makes a dull message.\r\n";
            let text = format!("From: a@s.test\r\nSubject: {n}\r\n\r\n{}", line.repeat(220));
            let mut client = Client::ehlo(addr).await.expect("a session");
            for turn in 1.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                if turn % 50 == 0 {
                    client = Client::ehlo(addr).await.expect("a session");
                }
                let during = usize::from(phase.load(Ordering::Relaxed));
                client
                    .command("MAIL FROM:<a@s.test>")
                    .await
                    .expect("a reply");
                client.command("RCPT TO:<b@e.test>").await.expect("a reply");
                client.command("DATA").await.expect("a reply");
                let began = Instant::now();
                client.send(&format!("{text}.\r\n")).await.expect("sent");
                let reply = client.reply().await.expect("a reply");
                assert_eq!(reply.code, 250, "{reply:?}");
                times[during].push(began.elapsed().as_secs_f64() * 1000.0);
                tokio::time::sleep(pause).await;
            }
            times
        }));
    }
    tokio::time::sleep(seconds).await;
    phase.store(true, Ordering::Relaxed);
    let began = Instant::now();
    let beside = relay.plugins().join(".large.part");
    std::fs::write(&beside, &component).expect("written");
    std::fs::rename(beside, relay.plugins().join("large.wasm")).expect("renamed");
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let list = relay.api("/api/v1/plugins").await;
        let all = list.as_array().expect("a list");
        if all
            .iter()
            .any(|p| p["name"] == "large" && p["state"] == "active")
        {
            break;
        }
        assert!(
            began.elapsed() < Duration::from_secs(300),
            "never swapped in"
        );
    }
    let swap = began.elapsed().as_secs_f64();
    done.store(true, Ordering::Relaxed);
    let mut times: [Vec<f64>; 2] = Default::default();
    for client in clients {
        let [before, during] = client.await.expect("a client");
        times[0].extend(before);
        times[1].extend(during);
    }
    let at = |times: &mut Vec<f64>, share: f64| {
        times.sort_by(f64::total_cmp);
        let rank = (times.len() as f64 * share) as usize;
        times[rank.min(times.len() - 1)]
    };
    let [before, during] = &mut times;
    let (p50_before, p50_during) = (at(before, 0.5), at(during, 0.5));
    let (p99_before, p99_during) = (at(before, 0.99), at(during, 0.99));
    HashMap::from([
        ("component MiB", component.len() as f64 / f64::from(1 << 20)),
        ("seconds to swap", swap),
        ("messages before", before.len() as f64),
        ("messages during", during.len() as f64),
        ("p50 ms before", p50_before),
        ("p50 ms during", p50_during),
        ("p99 ms before", p99_before),
        ("p99 ms during", p99_during),
        ("p99 ratio", p99_during / p99_before),
    ])
}
