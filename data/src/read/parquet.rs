//! Parquet as Hugging Face's data sets have it: a column of pictures, `struct<bytes, path>`, and one of
//! labels, several files for each part. Read where the feature `parquet` is on, else refused with a line.

use std::path::Path;

use super::tree::Tree;

/// Whether a file is Parquet, by its name.
pub fn is_parquet(path: &Path) -> bool {
    path.extension().is_some_and(|end| end.eq_ignore_ascii_case("parquet"))
}

/// Whether a tree holds such files.
pub fn is_in(tree: &Tree) -> bool {
    tree.files.iter().any(|file| is_parquet(file))
}

#[cfg(not(feature = "parquet"))]
pub fn open(tree: Tree) -> Result<(Tree, Vec<super::pictures::Item>), super::ImportError> {
    let what = "holds Parquet files, which this build does not read; build with --features parquet, as in \
                cargo run -p trainer --features parquet";
    Err(super::malformed(&tree.root, what.into()))
}

#[cfg(feature = "parquet")]
pub use shards::{Shards, open};

#[cfg(feature = "parquet")]
mod shards {
    use std::collections::VecDeque;
    use std::fs::File;
    use std::path::{Path, PathBuf};
    use std::sync::{Arc, Mutex, PoisonError};

    use ::parquet::errors::ParquetError;
    use ::parquet::file::reader::{FileReader, SerializedFileReader};
    use ::parquet::record::{Field, Row};
    use ::parquet::schema::types::Type;

    use super::super::parts::Part;
    use super::super::pictures::Item;
    use super::super::tree::{Contents, Tree};
    use super::super::{ImportError, labels, malformed};
    use super::is_parquet;

    /// Groups of rows whose pictures are kept: one for each thread that reads, and those behind them.
    const GROUPS: usize = 4;

    /// Titles of columns with pictures and with labels, where the file does not say which they are.
    const PICTURES: [&str; 3] = ["image", "img", "picture"];
    const LABELS: [&str; 6] = ["label", "labels", "class", "category", "target", "fine_label"];

    /// The pictures of all rows of all files.
    pub struct Shards {
        /// Where each group of rows is, and the number of its first row among all.
        groups: Vec<(PathBuf, usize, usize)>,
        /// The column of the pictures in each group's file.
        pictures: String,
        read: Mutex<VecDeque<(usize, Arc<Vec<Option<Vec<u8>>>>)>>,
    }

    impl Shards {
        /// The file of a picture.
        pub fn read(&self, index: usize) -> Result<Vec<u8>, String> {
            let group = self.groups.partition_point(|&(.., first)| first <= index) - 1;
            let first = self.groups[group].2;
            let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
            let known = read.iter().find(|(known, _)| *known == group).map(|(_, all)| all.clone());
            let pictures = match known {
                Some(pictures) => pictures,
                None => {
                    let pictures = Arc::new(self.of_group(group)?);
                    read.truncate(GROUPS - 1);
                    read.push_front((group, pictures.clone()));
                    pictures
                }
            };
            drop(read);
            let picture = pictures.get(index - first).cloned().flatten();
            picture.ok_or_else(|| "has no picture in this row".into())
        }

        fn of_group(&self, group: usize) -> Result<Vec<Option<Vec<u8>>>, String> {
            let (path, number, _) = &self.groups[group];
            let rows = rows(path, Some(*number), &self.pictures).map_err(|e| e.to_string())?;
            Ok(rows.into_iter().map(picture).collect())
        }
    }

    /// The bytes of a row that has one column, of pictures.
    fn picture(row: Row) -> Option<Vec<u8>> {
        match row.into_columns().pop()?.1 {
            Field::Bytes(bytes) => Some(bytes.data().to_vec()),
            Field::Group(fields) => fields.into_columns().into_iter().find_map(|(name, field)| {
                match (name.as_str(), field) {
                    ("bytes", Field::Bytes(bytes)) => Some(bytes.data().to_vec()),
                    _ => None,
                }
            }),
            _ => None,
        }
    }

    /// One column of a file, or of a group of its rows.
    fn rows(path: &Path, group: Option<usize>, column: &str) -> Result<Vec<Row>, ParquetError> {
        let reader = SerializedFileReader::new(File::open(path)?)?;
        let schema = reader.metadata().file_metadata().schema();
        let fields = schema.get_fields().iter().filter(|field| field.name() == column).cloned();
        let only = Type::group_type_builder(schema.name()).with_fields(fields.collect()).build()?;
        match group {
            Some(group) => reader.get_row_group(group)?.get_row_iter(Some(only))?.collect(),
            None => reader.get_row_iter(Some(only))?.collect(),
        }
    }

    /// What a file says of its columns.
    struct Columns {
        pictures: String,
        label: String,
        /// The names of the classes, if it has them.
        names: Option<Vec<String>>,
        /// Rows of each group.
        groups: Vec<usize>,
    }

    fn columns(path: &Path) -> Result<Columns, String> {
        let plain = |error: ParquetError| {
            format!("is no Parquet file, or damaged: {}", error.to_string().replace('\n', " "))
        };
        let file = File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
        let reader = SerializedFileReader::new(file).map_err(plain)?;
        let known = reader.metadata().file_metadata();
        let told = known.key_value_metadata().into_iter().flatten();
        let told =
            told.filter(|pair| pair.key == "huggingface").find_map(|pair| pair.value.as_ref());
        let told: serde_json::Value =
            told.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let features = told["info"]["features"].as_object();
        let feature = |kind: &str| {
            let is_it = |(_, feature): &(&String, &serde_json::Value)| feature["_type"] == kind;
            features.into_iter().flatten().find(is_it)
        };
        let fields = known.schema().get_fields();
        let titled = |titles: &[&str]| {
            let is_it = |title: &&str| fields.iter().any(|field| field.name() == *title);
            titles.iter().copied().find(is_it).map(str::to_string)
        };
        let found: Vec<&str> = fields.iter().map(|field| field.name()).collect();
        let missing = |what: &str| format!("has no column of {what}; it has {}", found.join(", "));
        let pictures = feature("Image").map(|(name, _)| name.clone()).or_else(|| titled(&PICTURES));
        let class = feature("ClassLabel");
        let label = class.map(|(name, _)| name.clone()).or_else(|| titled(&LABELS));
        let names = class.and_then(|(_, feature)| feature["names"].as_array()).map(|names| {
            names.iter().map(|name| name.as_str().unwrap_or_default().to_string()).collect()
        });
        let groups = reader.metadata().row_groups().iter();
        Ok(Columns {
            pictures: pictures.ok_or_else(|| missing("pictures (image)"))?,
            label: label.ok_or_else(|| missing("labels (label)"))?,
            names,
            groups: groups.map(|group| usize::try_from(group.num_rows()).unwrap_or(0)).collect(),
        })
    }

    /// A label as a name.
    fn name(field: Field, names: Option<&Vec<String>>) -> Result<String, String> {
        let number: i64 = match field {
            Field::Str(name) => return labels::checked(&name),
            Field::Byte(number) => number.into(),
            Field::Short(number) => number.into(),
            Field::Int(number) => number.into(),
            Field::Long(number) => number,
            Field::UByte(number) => number.into(),
            Field::UShort(number) => number.into(),
            Field::UInt(number) => number.into(),
            other => return Err(format!("label {other} is neither a whole number nor a name")),
        };
        match (names, usize::try_from(number)) {
            (Some(names), Ok(class)) => names.get(class).map_or_else(
                || Err(format!("label {number}, but the classes have {} names", names.len())),
                |name| labels::checked(name),
            ),
            (_, Err(_)) => Err(format!("label {number}: the picture has no class")),
            (None, Ok(class)) => Ok(class.to_string()),
        }
    }

    /// The pictures of a tree of Parquet files, as a tree of pictures.
    ///
    /// # Errors
    ///
    /// Names the file and what is wrong with it.
    pub fn open(tree: Tree) -> Result<(Tree, Vec<Item>), ImportError> {
        if tree.is_archive_open() {
            let what = "holds Parquet files; unpack it into a folder and name that";
            return Err(malformed(&tree.root, what.into()));
        }
        let (mut groups, mut items, mut files) = (Vec::new(), Vec::new(), Vec::new());
        let mut pictures: Option<String> = None;
        for file in tree.files.iter().filter(|file| is_parquet(file)) {
            let path = tree.root.join(file);
            let wrong = |what: String| malformed(&path, what);
            let columns = columns(&path).map_err(wrong)?;
            let words = file.iter().map(|name| name.to_string_lossy()).rev();
            let part = words.into_iter().find_map(|name| Part::in_name(&name));
            if pictures.get_or_insert_with(|| columns.pictures.clone()) != &columns.pictures {
                return Err(wrong(format!(
                    "has its pictures in the column {:?}, the files before it in another",
                    columns.pictures
                )));
            }
            for (number, rows) in columns.groups.iter().enumerate().filter(|(_, rows)| **rows > 0) {
                groups.push((path.clone(), number, files.len()));
                files.resize(files.len() + rows, PathBuf::new());
            }
            let begun = items.len();
            let rows = rows(&path, None, &columns.label);
            for (row, cells) in
                rows.map_err(|error| wrong(error.to_string()))?.into_iter().enumerate()
            {
                let cell = cells.into_columns().pop().map_or(Field::Null, |(_, field)| field);
                let label = name(cell, columns.names.as_ref());
                let label = label.map_err(|what| wrong(format!("row {}: {what}", row + 1)))?;
                items.push(Item { file: begun + row, label, part: part.unwrap_or(Part::Train) });
            }
            if items.len() != files.len() {
                return Err(wrong("has not as many labels as rows".into()));
            }
            for (row, place) in files[begun..].iter_mut().enumerate() {
                *place = PathBuf::from(format!("{}, row {}", file.display(), row + 1));
            }
        }
        let pictures = pictures.unwrap_or_default();
        let shards = Shards { groups, pictures, read: Mutex::default() };
        Ok((Tree { root: tree.root, files, contents: Contents::Shards(shards) }, items))
    }
}

#[cfg(all(test, feature = "parquet"))]
mod tests {
    use std::fs::{self, File};
    use std::path::Path;
    use std::sync::Arc;

    use ::parquet::basic::Compression;
    use ::parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
    use ::parquet::file::metadata::KeyValue;
    use ::parquet::file::properties::WriterProperties;
    use ::parquet::file::writer::SerializedFileWriter;
    use ::parquet::schema::parser::parse_message_type;
    use image::{GrayImage, ImageFormat, Luma};

    use crate::read::{self, Options};

    /// The PNG of a picture.
    fn png(level: u8) -> Vec<u8> {
        let pixel = |x: u32, y: u32| Luma([if (x + y).is_multiple_of(3) { level } else { 0 }]);
        let mut bytes = std::io::Cursor::new(Vec::new());
        GrayImage::from_fn(12, 10, pixel).write_to(&mut bytes, ImageFormat::Png).expect("a PNG");
        bytes.into_inner()
    }

    /// Writes a file as Hugging Face's library does, in groups of three rows.
    fn write(path: &Path, rows: &[(u8, i64)], compression: Compression) {
        let schema = "message schema { OPTIONAL group image { OPTIONAL BINARY bytes; \
                      OPTIONAL BINARY path (UTF8); } OPTIONAL INT64 label; }";
        let told = r#"{"info": {"features": {"image": {"_type": "Image"},
                       "label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}"#;
        let told = KeyValue::new("huggingface".to_string(), told.to_string());
        let properties = WriterProperties::builder()
            .set_compression(compression)
            .set_key_value_metadata(Some(vec![told]))
            .build();
        let schema = Arc::new(parse_message_type(schema).expect("a schema"));
        let file = File::create(path).expect("is made");
        let mut writer =
            SerializedFileWriter::new(file, schema, Arc::new(properties)).expect("a writer");
        for rows in rows.chunks(3) {
            let mut group = writer.next_row_group().expect("a group");
            let bytes: Vec<ByteArray> = rows.iter().map(|(level, _)| png(*level).into()).collect();
            let paths: Vec<ByteArray> = rows.iter().map(|_| "x.png".into()).collect();
            let labels: Vec<i64> = rows.iter().map(|(_, label)| *label).collect();
            let (deep, flat) = (vec![2; rows.len()], vec![1; rows.len()]);
            for values in [&bytes, &paths] {
                let mut column = group.next_column().expect("no error").expect("a column");
                column
                    .typed::<ByteArrayType>()
                    .write_batch(values, Some(&deep), None)
                    .expect("written");
                column.close().expect("closed");
            }
            let mut column = group.next_column().expect("no error").expect("a column");
            column.typed::<Int64Type>().write_batch(&labels, Some(&flat), None).expect("written");
            column.close().expect("closed");
            group.close().expect("closed");
        }
        writer.close().expect("closed");
    }

    #[test]
    fn rows_are_the_pictures_of_folders() {
        let folder = std::env::temp_dir().join(format!("inkling-parquet-{}", std::process::id()));
        let (shards, plain) = (folder.join("shards"), folder.join("plain"));
        fs::create_dir_all(shards.join("data")).expect("is made");
        let rows = |from: u8, count: u8| -> Vec<(u8, i64)> {
            (from..from + count).map(|at| (100 + 3 * at, i64::from(at % 2))).collect()
        };
        let parts = [
            ("train-00000-of-00002", rows(0, 8), Compression::SNAPPY),
            ("train-00001-of-00002", rows(8, 7), Compression::UNCOMPRESSED),
            ("test-00000-of-00001", rows(15, 5), Compression::SNAPPY),
        ];
        for (name, rows, compression) in &parts {
            write(&shards.join("data").join(format!("{name}.parquet")), rows, *compression);
            for (at, (level, label)) in rows.iter().enumerate() {
                let class = ["cat", "dog"][*label as usize];
                let dir = plain.join(&name[..name.find('-').unwrap_or(0)]).join(class);
                fs::create_dir_all(&dir).expect("is made");
                fs::write(dir.join(format!("{name}-{at:02}.png")), png(*level)).expect("written");
            }
        }
        let open = |path: &Path| {
            read::open(path, &Options::default()).unwrap_or_else(|error| panic!("{error}"))
        };
        let (ours, theirs) = (open(&shards), open(&plain));
        assert_eq!(ours.train.names, ["cat", "dog"]);
        assert_eq!((ours.train.len(), ours.test.len(), ours.test_given), (15, 5, true));
        for (a, b) in [(&ours.train, &theirs.train), (&ours.test, &theirs.test)] {
            let sorted = |set: &crate::Dataset| {
                let mut all: Vec<_> =
                    (0..set.len()).map(|i| (set.labels[i], set.image(i).to_vec())).collect();
                all.sort();
                all
            };
            assert_eq!(sorted(a), sorted(b));
        }
        let source = ours.train.source(9).expect("is known").to_string();
        assert!(source.ends_with("train-00001-of-00002.parquet, row 2"), "{source}");
        // One file alone is a data set too; what is damaged is named.
        let one = shards.join("data/train-00000-of-00002.parquet");
        assert_eq!(open(&one).train.len() + open(&one).test.len(), 8);
        let bytes = fs::read(&one).expect("is there");
        fs::write(&one, &bytes[..bytes.len() - 9]).expect("is written");
        let error = read::open(&shards, &Options::default()).err().expect("damaged").to_string();
        assert!(error.contains("train-00000-of-00002.parquet: is no Parquet file"), "{error}");
        assert_eq!(error.lines().count(), 1);
        write(&one, &[(200, 2)], Compression::SNAPPY);
        let error = read::open(&shards, &Options::default()).err().expect("no name").to_string();
        assert!(error.contains("row 1: label 2, but the classes have 2 names"), "{error}");
        fs::remove_dir_all(folder).expect("removed");
    }
}
