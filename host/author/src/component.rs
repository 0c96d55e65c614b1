//! From a core module to a component: what `wasm-tools component new` does, with an own adapter for the WASI of C and Go.
//!
//! The usual adapter turns WASI preview 1 into preview 2, and so calls the host where Go's runtime asks for the time. Go asks
//! while it collects garbage, and may do so inside an allocation for the host, where a component must not call out: it traps. This
//! one answers by itself. What is written to standard output and error goes to the relay's log; there are no files, no arguments
//! and no environment; the clock only counts, and chance is a fixed sequence. Plugins use the contract's `clock` and `random`.

use std::fmt::Write as _;

use wit_component::{ComponentEncoder, StringEncoding};

use crate::contract;
use crate::error::Error;

const PREVIEW_1: &str = "wasi_snapshot_preview1";

/// EBADF: there are no files.
const BADF: u32 = 8;
/// ENOSYS: there is nothing of the kind.
const NOSYS: u32 = 52;

/// Functions of preview 1 that only refuse: name, parameters, and the error.
const REFUSED: [(&str, &str, u32); 36] = [
    ("clock_res_get", "i32 i32", NOSYS),
    ("fd_advise", "i32 i64 i64 i32", BADF),
    ("fd_allocate", "i32 i64 i64", BADF),
    ("fd_close", "i32", BADF),
    ("fd_datasync", "i32", BADF),
    ("fd_fdstat_get", "i32 i32", BADF),
    ("fd_fdstat_set_flags", "i32 i32", BADF),
    ("fd_fdstat_set_rights", "i32 i64 i64", BADF),
    ("fd_filestat_get", "i32 i32", BADF),
    ("fd_filestat_set_size", "i32 i64", BADF),
    ("fd_filestat_set_times", "i32 i64 i64 i32", BADF),
    ("fd_pread", "i32 i32 i32 i64 i32", BADF),
    ("fd_prestat_get", "i32 i32", BADF),
    ("fd_prestat_dir_name", "i32 i32 i32", BADF),
    ("fd_pwrite", "i32 i32 i32 i64 i32", BADF),
    ("fd_read", "i32 i32 i32 i32", BADF),
    ("fd_readdir", "i32 i32 i32 i64 i32", BADF),
    ("fd_renumber", "i32 i32", BADF),
    ("fd_seek", "i32 i64 i32 i32", BADF),
    ("fd_sync", "i32", BADF),
    ("fd_tell", "i32 i32", BADF),
    ("path_create_directory", "i32 i32 i32", BADF),
    ("path_filestat_get", "i32 i32 i32 i32 i32", BADF),
    (
        "path_filestat_set_times",
        "i32 i32 i32 i32 i64 i64 i32",
        BADF,
    ),
    ("path_link", "i32 i32 i32 i32 i32 i32 i32", BADF),
    ("path_open", "i32 i32 i32 i32 i32 i64 i64 i32 i32", BADF),
    ("path_readlink", "i32 i32 i32 i32 i32 i32", BADF),
    ("path_remove_directory", "i32 i32 i32", BADF),
    ("path_rename", "i32 i32 i32 i32 i32 i32", BADF),
    ("path_symlink", "i32 i32 i32 i32 i32", BADF),
    ("path_unlink_file", "i32 i32 i32", BADF),
    ("sock_accept", "i32 i32 i32", BADF),
    ("sock_recv", "i32 i32 i32 i32 i32 i32", BADF),
    ("sock_send", "i32 i32 i32 i32 i32", BADF),
    ("sock_shutdown", "i32 i32", BADF),
    ("proc_raise", "i32", NOSYS),
];

/// The functions that do something.
const ANSWERED: &str = r#"
  (import "env" "memory" (memory 0))
  (import "baton:relay/log@0.1.0" "log" (func $log (param i32 i32 i32)))
  (global $now (mut i64) (i64.const 0))
  (global $seed (mut i64) (i64.const 0x2545f4914f6cdd1d))
  (func $empty (param $count i32) (param $bytes i32) (result i32)
    (i32.store (local.get $count) (i32.const 0))
    (i32.store (local.get $bytes) (i32.const 0))
    (i32.const 0))
  (export "args_sizes_get" (func $empty))
  (export "environ_sizes_get" (func $empty))
  (func $nothing (param i32 i32) (result i32) (i32.const 0))
  (export "args_get" (func $nothing))
  (export "environ_get" (func $nothing))
  (func (export "sched_yield") (result i32) (i32.const 0))
  (func (export "proc_exit") (param i32) (unreachable))
  ;; A millisecond a look, so that what waits for time to pass gets on.
  (func (export "clock_time_get") (param $id i32) (param $precision i64) (param $at i32) (result i32)
    (global.set $now (i64.add (global.get $now) (i64.const 1000000)))
    (i64.store (local.get $at) (global.get $now))
    (i32.const 0))
  ;; Everything waited for has come: one event, of the first subscription.
  (func (export "poll_oneoff") (param $in i32) (param $out i32) (param $count i32) (param $done i32) (result i32)
    (memory.fill (local.get $out) (i32.const 0) (i32.const 32))
    (i64.store (local.get $out) (i64.load (local.get $in)))
    (i32.store8 (i32.add (local.get $out) (i32.const 10)) (i32.load8_u (i32.add (local.get $in) (i32.const 8))))
    (i32.store (local.get $done) (i32.const 1))
    (i32.const 0))
  (func (export "random_get") (param $at i32) (param $count i32) (result i32)
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $count)))
        (global.set $seed (i64.xor (global.get $seed) (i64.shl (global.get $seed) (i64.const 13))))
        (global.set $seed (i64.xor (global.get $seed) (i64.shr_u (global.get $seed) (i64.const 7))))
        (global.set $seed (i64.xor (global.get $seed) (i64.shl (global.get $seed) (i64.const 17))))
        (i32.store8 (local.get $at) (i32.wrap_i64 (i64.shr_u (global.get $seed) (i64.const 32))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $next)))
    (i32.const 0))
  ;; Standard output is level 1 (info), standard error 2 (warn).
  (func (export "fd_write") (param $fd i32) (param $iovs i32) (param $count i32) (param $written i32) (result i32)
    (local $sum i32) (local $at i32) (local $bytes i32)
    (if (i32.gt_u (i32.sub (local.get $fd) (i32.const 1)) (i32.const 1)) (then (return (i32.const 8))))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $count)))
        (local.set $at (i32.load (local.get $iovs)))
        (local.set $bytes (i32.load offset=4 (local.get $iovs)))
        (local.set $sum (i32.add (local.get $sum) (local.get $bytes)))
        (if (i32.gt_u (local.get $bytes) (i32.const 0)) (then
          (if (i32.eq (i32.load8_u (i32.sub (i32.add (local.get $at) (local.get $bytes)) (i32.const 1))) (i32.const 10))
            (then (local.set $bytes (i32.sub (local.get $bytes) (i32.const 1)))))))
        (if (i32.gt_u (local.get $bytes) (i32.const 0)) (then
          (call $log (local.get $fd) (local.get $at) (local.get $bytes))))
        (local.set $iovs (i32.add (local.get $iovs) (i32.const 8)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $next)))
    (i32.store (local.get $written) (local.get $sum))
    (i32.const 0))
"#;

/// The component of a core module that knows its world.
pub fn of_core(core: &[u8]) -> Result<Vec<u8>, Error> {
    let fail = |e: &dyn std::fmt::Display| Error::Component(format!("no component: {e}"));
    ComponentEncoder::default()
        .validate(true)
        .module(core)
        .map_err(|e| fail(&format!("{e:#}")))?
        .adapter(PREVIEW_1, &adapter()?)
        .map_err(|e| fail(&format!("{e:#}")))?
        .encode()
        .map_err(|e| fail(&format!("{e:#}")))
}

fn adapter() -> Result<Vec<u8>, Error> {
    let mut text = format!("(module\n{ANSWERED}");
    for (name, parameters, error) in REFUSED {
        writeln!(
            text,
            "  (func (export {name:?}) (param {parameters}) (result i32) (i32.const {error}))"
        )
        .expect("text grows");
    }
    text.push(')');
    let fail = |e: &dyn std::fmt::Display| Error::Component(format!("the WASI adapter: {e}"));
    let mut module = wat::parse_str(&text).map_err(|e| fail(&e))?;
    let (resolve, world) = contract::read_with("\nworld adapter { import log; }\n", "adapter")?;
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .map_err(|e| fail(&format!("{e:#}")))?;
    Ok(module)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_adapter_is_a_module_that_knows_its_world() {
        let module = adapter().unwrap();
        assert!(module.starts_with(b"\0asm\x01\0\0\0"));
    }
}
