//! Compiles `rules/*.toml` into one table that the plugin embeds.

#[allow(dead_code)]
#[path = "src/compile.rs"]
mod compile;
#[allow(dead_code)]
#[path = "src/normal.rs"]
mod normal;
#[allow(dead_code)]
#[path = "src/reason.rs"]
mod reason;
#[allow(dead_code)]
#[path = "src/source.rs"]
mod source;
#[allow(dead_code)]
#[path = "src/table.rs"]
mod table;

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=rules");
    for file in ["compile", "normal", "reason", "source", "table"] {
        println!("cargo::rerun-if-changed=src/{file}.rs");
    }
    let mut files: Vec<_> = std::fs::read_dir("rules")
        .expect("the folder rules")
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    files.sort();
    let sources: Vec<source::Source> = files
        .iter()
        .map(|path| {
            let text = std::fs::read_to_string(path).expect("a readable rule file");
            toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
        })
        .collect();
    let table = compile::compile(&sources, &[]).unwrap_or_else(|e| panic!("rules: {e}"));
    let out = std::env::var("OUT_DIR").expect("OUT_DIR");
    std::fs::write(Path::new(&out).join("rules.table"), table).expect("writing the table");
}
