//! What `baton plugin new`, `build` and `reference` do, without the relay around it: `author new NAME LANGUAGE DIR`, `author build
//! DIR OUT`, `author reference`.

use std::path::Path;

use baton_author::{Project, Sdk, create, reference};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["new", name, language, folder] => {
            create(name, language.parse()?, Path::new(folder), &Sdk::Copy)?;
        }
        ["build", folder, out] => std::fs::write(out, Project::open(Path::new(folder))?.build()?)?,
        ["reference"] => print!("{}", reference()?),
        _ => return Err("new NAME LANGUAGE DIR, build DIR OUT, or reference".into()),
    }
    Ok(())
}
