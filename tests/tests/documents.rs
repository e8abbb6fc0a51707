//! The pages for readers: what they link to is there, heading by heading, and becomes a site.

use std::fs;
use std::path::PathBuf;

use tests::{documents, root, scratch};

#[test]
fn every_link_leads_somewhere() {
    let pages = documents::pages(&root()).expect("docs/SUMMARY.md names pages that are there");
    assert!(pages.len() > 10, "{} pages", pages.len());
    let wrong = documents::broken_links(&root()).expect("the pages can be read");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A repository of two pages and a picture.
fn repository(name: &str, readme: &str) -> PathBuf {
    let root = scratch(name);
    let write = |path: &str, text: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("it is in a folder"))
            .expect("a test can make folders");
        fs::write(path, text).expect("a test can write");
    };
    write("README.md", readme);
    write("part/README.md", "# A part\n\n## What it is\n");
    write("code/lib.rs", "");
    write("docs/dot.png", "no picture");
    write("docs/unnamed.md", "# Nobody names it\n");
    write("docs/SUMMARY.md", "- [All](../README.md)\n- [Part](../part/README.md)\n");
    write("docs/book.toml", "[book]\n");
    root
}

#[test]
fn a_link_to_nothing_is_named() {
    let wrong = [
        ("[a](none.md)", "leads to nothing"),
        ("[a](docs/unnamed.md)", "leads to a page that docs/SUMMARY.md does not name"),
        ("[a](part/README.md#what-it-was)", "names no heading"),
        ("[a](#nowhere)", "names no heading"),
        ("[a](../outside.md)", "leads out of the repository"),
        ("![a](docs/none.png)", "leads to nothing"),
    ];
    for (index, (link, what)) in wrong.iter().enumerate() {
        let root = repository(&format!("links-{index}"), &format!("# All\n\nText {link} text\n"));
        let found = documents::broken_links(&root).expect("the pages can be read");
        assert!(found.len() == 1 && found[0].contains(what), "{link}: {found:?}");
        let laid = documents::lay_out(&root, &root.join("site"));
        assert!(laid.is_err_and(|error| error.contains(what)), "{link} is laid out");
    }
}

#[test]
fn pages_are_laid_out_with_what_they_link_to() {
    let readme = "# All\n\n[part](part), [code](code/), [`lib`](code/lib.rs),\n\
                  ![dot](docs/dot.png), [there](part/README.md#what-it-is), [out](https://example.org/a)\n";
    let root = repository("laid", readme);
    documents::lay_out(&root, &root.join("site")).expect("all links are good");
    let laid =
        |path: &str| fs::read_to_string(root.join("site").join(path)).expect("it is laid out");
    assert_eq!(
        laid("src/index.md"),
        "# All\n\n[part](part/index.md), code, [`lib`](code/lib.rs),\n\
         ![dot](docs/dot.png), [there](part/index.md#what-it-is), [out](https://example.org/a)\n"
    );
    assert_eq!(laid("src/SUMMARY.md"), "- [All](index.md)\n- [Part](part/index.md)\n");
    for path in ["src/part/index.md", "src/code/lib.rs", "src/docs/dot.png", "book.toml"] {
        assert!(root.join("site").join(path).exists(), "{path}");
    }
    assert!(!root.join("site/src/docs/unnamed.md").exists());
}
