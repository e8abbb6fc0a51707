//! `site FOLDER` lays the pages of docs/SUMMARY.md out for `mdbook`, whose output comes into FOLDER/html;
//! `site FOLDER --check` then follows every link of that output. `ci.sh site` does all of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tests::documents;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match &args[..] {
        [folder] => documents::lay_out(&tests::root(), Path::new(folder)),
        [folder, check] if check == "--check" => followed(&Path::new(folder).join("html")),
        _ => Err("usage: site FOLDER [--check]".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Follows every `href` and `src` of the site's pages.
fn followed(html: &Path) -> Result<(), String> {
    let mut pages = Vec::new();
    collect(html, &mut pages)?;
    let mut wrong = Vec::new();
    let mut count = 0;
    for page in &pages {
        let text =
            fs::read_to_string(page).map_err(|error| format!("{}: {error}", page.display()))?;
        for attribute in [" href=\"", " src=\""] {
            let found = text.split(attribute).skip(1).filter_map(|rest| rest.split('"').next());
            // What a page writes by a script, it writes from `{…}` and with its own quotes.
            for link in found.filter(|link| !link.contains(['{', '$', '\''])) {
                if link.contains("://") || link.starts_with("data:") || link.is_empty() {
                    continue;
                }
                count += 1;
                if let Some(why) = broken(page, link)? {
                    wrong.push(format!("{}: {link} {why}", page.display()));
                }
            }
        }
    }
    if !wrong.is_empty() {
        return Err(format!(
            "{} links of the site lead nowhere:\n{}",
            wrong.len(),
            wrong.join("\n")
        ));
    }
    println!("{} pages, {count} links, each leads somewhere: {}", pages.len(), html.display());
    Ok(())
}

fn broken(page: &Path, link: &str) -> Result<Option<&'static str>, String> {
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = match path {
        "" => page.to_path_buf(),
        _ => page.with_file_name(path),
    };
    if target.is_dir() || !target.exists() {
        return Ok(Some("is no file"));
    }
    if anchor.is_empty() {
        return Ok(None);
    }
    let text =
        fs::read_to_string(&target).map_err(|error| format!("{}: {error}", target.display()))?;
    Ok((!text.contains(&format!("id=\"{anchor}\""))).then_some("is no place of that page"))
}

/// The `.html` files below a folder.
fn collect(folder: &Path, pages: &mut Vec<PathBuf>) -> Result<(), String> {
    let said = |error: std::io::Error| format!("{}: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(said)? {
        let path = entry.map_err(said)?.path();
        if path.is_dir() {
            collect(&path, pages)?;
        } else if path.extension().is_some_and(|extension| extension == "html") {
            pages.push(path);
        }
    }
    Ok(())
}
