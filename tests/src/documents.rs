//! The Markdown files for readers, which docs/SUMMARY.md names: whether what they link to is there, and the
//! tree that `mdbook` makes a site of.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

/// The list of pages, from the repository's root.
const SUMMARY: &str = "docs/SUMMARY.md";

/// A link or a picture of a page.
struct Link {
    /// Where `[text](destination)` stands.
    range: Range<usize>,
    destination: String,
}

/// What a link leads to, beside an address elsewhere.
enum Target {
    /// Another page, by its path from the root.
    Page,
    /// A file that is no page, by its path from the root.
    File(PathBuf),
    /// A folder, which a site has nothing to show of.
    Folder,
}

/// Every page that docs/SUMMARY.md names, by its path from the root, and its text.
///
/// # Errors
///
/// Says which page is missing.
pub fn pages(root: &Path) -> Result<BTreeMap<PathBuf, String>, String> {
    let summary = read(&root.join(SUMMARY))?;
    let named = links(&summary).into_iter().map(|link| {
        let path = resolve(Path::new(SUMMARY), &link.destination).ok_or_else(|| {
            format!("{SUMMARY}: {} is outside of the repository", link.destination)
        })?;
        let text = read(&root.join(&path))?;
        Ok((path, text))
    });
    named.collect()
}

/// Everything that is wrong with the links of the pages, one line each.
///
/// # Errors
///
/// A page that docs/SUMMARY.md names cannot be read.
pub fn broken_links(root: &Path) -> Result<Vec<String>, String> {
    let pages = pages(root)?;
    let mut wrong = Vec::new();
    for (page, text) in &pages {
        for link in links(text) {
            wrong.extend(target(root, &pages, page, &link.destination).err());
        }
    }
    Ok(wrong)
}

/// Lays the pages and what they link to out for `mdbook` in `folder`: docs/book.toml, and in `src/` the files
/// by their paths in the repository, a README.md as index.md. A link to a folder becomes that folder's
/// page, or its text alone.
///
/// # Errors
///
/// A link that leads nowhere, or a file that cannot be read or written.
pub fn lay_out(root: &Path, folder: &Path) -> Result<(), String> {
    let pages = pages(root)?;
    let source = folder.join("src");
    for (page, text) in &pages {
        let mut laid = String::new();
        let mut taken = 0;
        for link in links(text) {
            let whole = &text[link.range.clone()];
            let kept = match target(root, &pages, page, &link.destination)? {
                Some(Target::Folder) => label(whole).to_string(),
                Some(Target::File(file)) => {
                    let bytes = fs::read(root.join(&file)).map_err(|error| said(&file, &error))?;
                    write(&source.join(&file), &bytes)?;
                    whole.to_string()
                }
                Some(Target::Page) => {
                    let folder = root.join(page).with_file_name(&link.destination).is_dir();
                    let slash = link.destination.trim_end_matches('/');
                    let to = if folder { format!("{slash}/README.md") } else { slash.to_string() };
                    whole.replace(&format!("]({}", link.destination), &indexed(&format!("]({to}")))
                }
                None => whole.to_string(),
            };
            laid.push_str(&text[taken..link.range.start]);
            laid.push_str(&kept);
            taken = link.range.end;
        }
        laid.push_str(&text[taken..]);
        write(&source.join(indexed(&page.to_string_lossy())), laid.as_bytes())?;
    }
    // Its links are from docs/; the site's summary stands at the root.
    let summary = read(&root.join(SUMMARY))?.replace("](", "](docs/").replace("](docs/../", "](");
    write(&source.join("SUMMARY.md"), indexed(&summary).as_bytes())?;
    write(&folder.join("book.toml"), read(&root.join("docs/book.toml"))?.as_bytes())
}

/// Paths as they are in the site, where the page of a folder is what a server shows for the folder.
fn indexed(text: &str) -> String {
    text.replace("README.md", "index.md")
}

/// What a link of a page leads to: `None` for an address elsewhere.
fn target(
    root: &Path,
    pages: &BTreeMap<PathBuf, String>,
    page: &Path,
    destination: &str,
) -> Result<Option<Target>, String> {
    if destination.contains("://") || destination.starts_with("mailto:") {
        return Ok(None);
    }
    let wrong = |what: &str| format!("{}: the link to {destination} {what}", page.display());
    let (path, anchor) = destination.split_once('#').unwrap_or((destination, ""));
    let mut path = match path {
        "" => page.to_path_buf(),
        _ => resolve(page, path).ok_or_else(|| wrong("leads out of the repository"))?,
    };
    if root.join(&path).is_dir() {
        path.push("README.md");
        if !pages.contains_key(&path) {
            return Ok(Some(Target::Folder));
        }
    }
    if let Some(text) = pages.get(&path) {
        if !anchor.is_empty() && !anchors(text).iter().any(|one| one == anchor) {
            return Err(wrong("names no heading of that page"));
        }
        return Ok(Some(Target::Page));
    }
    if !root.join(&path).is_file() {
        return Err(wrong("leads to nothing"));
    }
    if path.extension().is_some_and(|extension| extension == "md") {
        return Err(wrong(&format!("leads to a page that {SUMMARY} does not name")));
    }
    Ok(Some(Target::File(path)))
}

/// The inline links and pictures of a Markdown text, in order, outside of code; a picture inside a link counts
/// as the link. The pages have no links of another form.
fn links(text: &str) -> Vec<Link> {
    let mut found: Vec<Link> = Vec::new();
    for (begins, paragraph) in paragraphs(text) {
        for (at, _) in paragraph.match_indices("](") {
            let in_code = paragraph[..at].matches('`').count() % 2 == 1;
            let Some(length) = paragraph[at..].find(')') else { continue };
            let Some(opened) = opening(&paragraph[..at]).filter(|_| !in_code) else { continue };
            let opened = opened - usize::from(paragraph[..opened].ends_with('!'));
            let range = begins + opened..begins + at + length + 1;
            let inside = |link: &Link| range.start <= link.range.start;
            while found.last().is_some_and(inside) {
                found.pop();
            }
            found.push(Link { range, destination: paragraph[at + 2..at + length].to_string() });
        }
    }
    found
}

/// Where the bracket opens that closes at the end of `before`.
fn opening(before: &str) -> Option<usize> {
    let mut depth = 1;
    before.char_indices().rev().find_map(|(at, letter)| {
        match letter {
            ']' => depth += 1,
            '[' => depth -= 1,
            _ => {}
        }
        (depth == 0).then_some(at)
    })
}

/// What stands between empty lines and fenced code, each with the place where it begins.
fn paragraphs(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let (mut begins, mut at, mut fenced) = (0, 0, false);
    for line in text.split_inclusive('\n') {
        let fence = line.trim_start().starts_with("```");
        if fence || line.trim().is_empty() {
            if !fenced {
                found.push((begins, &text[begins..at]));
            }
            fenced ^= fence;
            begins = at + line.len();
        }
        at += line.len();
    }
    if !fenced {
        found.push((begins, &text[begins..]));
    }
    found
}

/// The text of `[text](destination)`.
fn label(link: &str) -> &str {
    let text = link.trim_start_matches(['!', '[']);
    text.rsplit_once("](").map_or(text, |(label, _)| label)
}

/// What the headings of a page are called in addresses: letters and digits in lower case, spaces as hyphens.
fn anchors(text: &str) -> Vec<String> {
    let lines = paragraphs(text).into_iter().flat_map(|(_, paragraph)| paragraph.lines());
    let headings = lines.filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#'))).collect()
}

fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter_map(|letter| match letter {
        ' ' => Some('-'),
        '-' | '_' => Some(letter),
        _ if letter.is_alphanumeric() => Some(letter),
        _ => None,
    });
    kept.flat_map(char::to_lowercase).collect()
}

/// A destination of a page as a path from the root, if it stays inside.
fn resolve(page: &Path, destination: &str) -> Option<PathBuf> {
    let mut path = page.parent()?.to_path_buf();
    for part in Path::new(destination).components() {
        match part {
            Component::ParentDir if !path.pop() => return None,
            Component::ParentDir | Component::CurDir => {}
            Component::Normal(name) => path.push(name),
            _ => return None,
        }
    }
    Some(path)
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| said(path, &error))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let folder = path.parent().expect("a file is in a folder");
    fs::create_dir_all(folder).map_err(|error| said(folder, &error))?;
    fs::write(path, bytes).map_err(|error| said(path, &error))
}

fn said(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}
