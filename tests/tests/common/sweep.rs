//! A folder in which sweeps of a few small runs are tried.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use inkling_data::Split;
use inkling_data::read::idx;
use serde_json::Value;
use tests::{program, random_images, scratch};
use trainer::learn::recipe::Recipe;

/// Training images of the data: a twelfth of them is for validation.
const IMAGES: usize = 240;
pub const VALIDATION: u64 = 20;

/// A folder with data, a recipe of four epochs and room for sweeps.
pub struct Bench {
    pub folder: PathBuf,
    pub program: PathBuf,
}

impl Bench {
    pub fn new(name: &str) -> Self {
        let bench = Self { folder: scratch(name), program: program("trainer") };
        bench.data("data", 2);
        let recipe = Recipe::open("default").expect("built in").to_toml();
        let recipe = recipe.replace("epochs = 10", "epochs = 4");
        fs::write(bench.folder.join("recipe.toml"), recipe).expect("a test can write");
        bench
    }

    /// Data whose test images are chosen by `test`.
    pub fn data(&self, name: &str, test: u64) {
        let data = self.folder.join(name);
        fs::create_dir(&data).expect("a test can make folders");
        idx::write_pair(&data, Split::Train, &random_images(1, IMAGES, 16, 16, 4))
            .expect("it is written");
        idx::write_pair(&data, Split::Test, &random_images(test, 30, 16, 16, 4))
            .expect("it is written");
    }

    pub fn write(&self, sweep: &str) {
        let head = format!("name = \"t\"\nrecipe = {:?}\n", self.folder.join("recipe.toml"));
        fs::write(self.folder.join("sweep.toml"), head + sweep).expect("a test can write");
    }

    pub fn command(&self, data: &str, out: &str, more: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("sweep").arg(self.folder.join("sweep.toml"));
        command.args(["--backend", "tract", "--data"]).arg(self.folder.join(data));
        command.arg("--out").arg(self.folder.join(out)).args(more);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn run(&self, out: &str, more: &[&str]) -> String {
        text(&self.command("data", out, more).output().expect("the trainer starts"))
    }

    pub fn file(&self, out: &str, name: &str) -> String {
        let path = self.folder.join(out).join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    pub fn json(&self, out: &str) -> Value {
        serde_json::from_str(&self.file(out, "sweep.json")).expect("sweep.json is JSON")
    }

    /// All files below a folder with their text.
    pub fn files(&self, out: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.folder.join(out)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(self.folder.join(out)).expect("below").into();
                    files.insert(name, fs::read(path).expect("a file"));
                }
            }
        }
        files
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// What a program that must succeed has printed.
pub fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
