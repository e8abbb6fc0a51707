//! From bytes to a graph of ONNX nodes in one plain form: local functions written out, what
//! nothing uses dropped, half and double precision as f32, every name defined once.

use std::collections::HashSet;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use crate::pb;
use crate::pb::tensor_proto::{DataLocation, DataType};
use prost::Message;

use super::{OPSETS, ReadError, functions, is_standard, node_name, structure};
use crate::interpreter::Tensor;
use crate::limits::{FILE_BYTES, NODES, elements};

/// An ONNX file in its plain form.
pub struct File {
    pub graph: pb::GraphProto,
    pub opset: i64,
    pub metadata: Vec<pb::StringStringEntryProto>,
}

impl File {
    /// Decodes the bytes of an `.onnx` file.
    ///
    /// # Errors
    ///
    /// What is no ONNX model, is against ONNX's rules, or is larger than
    /// [`limits`](crate::limits) allow.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReadError> {
        let model = decode(bytes)?;
        let sets = model.opset_import.iter();
        let opset = sets.filter(|set| is_standard(&set.domain)).map(|set| set.version).max();
        let opset = opset.unwrap_or(0);
        if !OPSETS.contains(&opset) {
            return Err(ReadError::Opset { found: opset });
        }
        let mut graph = model.graph.unwrap_or_default();
        check_names(&graph)?;
        drop_unused(&mut graph);
        widen(&mut graph)?;
        Ok(Self { graph, opset, metadata: model.metadata_props })
    }

    /// The graph's inputs that no initializer gives a value.
    pub fn inputs(&self) -> impl Iterator<Item = &pb::ValueInfoProto> {
        let given: HashSet<&str> =
            self.graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
        self.graph.input.iter().filter(move |input| !given.contains(input.name.as_str()))
    }
}

/// Decodes a model and writes out its functions.
fn decode(bytes: &[u8]) -> Result<pb::ModelProto, ReadError> {
    if bytes.is_empty() {
        return Err(ReadError::Empty);
    }
    if bytes.len() > FILE_BYTES {
        return Err(too_large(bytes.len() as u64));
    }
    let wrong = |what: String| ReadError::NotOnnx(what);
    structure::check(bytes).map_err(ReadError::File)?;
    let mut model = pb::ModelProto::decode(bytes).map_err(|error| wrong(error.to_string()))?;
    let graph = model.graph.as_mut().ok_or_else(|| wrong("it holds no graph".into()))?;
    if graph.node.is_empty() {
        return Err(wrong("its graph has no node".into()));
    }
    functions::write_out(&model.functions, graph)?;
    model.functions.clear();
    if graph.node.len() > NODES {
        let count = graph.node.len();
        return Err(ReadError::Graph(format!("{count} nodes; at most {NODES} are read")));
    }
    Ok(model)
}

fn too_large(bytes: u64) -> ReadError {
    ReadError::File(format!(
        "{} MB; a model of more than {} MB fits no microcontroller",
        bytes >> 20,
        FILE_BYTES >> 20
    ))
}

/// Reads an `.onnx` file. Elements that it keeps in other files of its folder (external data)
/// are put into it, so the bytes are the whole model.
///
/// # Errors
///
/// The file system's, with the path; external data that lies elsewhere or is of another size than
/// its tensor says.
pub fn load(path: &Path) -> Result<Vec<u8>, ReadError> {
    let unreadable = |error: std::io::Error| ReadError::File(format!("cannot be read: {error}"));
    let size = fs::metadata(path).map_err(unreadable)?.len();
    if size > FILE_BYTES as u64 {
        return Err(too_large(size));
    }
    let bytes = fs::read(path).map_err(unreadable)?;
    let Ok(mut model) = decode(&bytes) else {
        // Whoever reads the bytes says what is wrong with them.
        return Ok(bytes);
    };
    let graph = model.graph.get_or_insert_default();
    let constants = graph.node.iter_mut().flat_map(|node| &mut node.attribute);
    let constants = constants.filter_map(|attribute| attribute.t.as_mut());
    let outside: Vec<&mut pb::TensorProto> = graph
        .initializer
        .iter_mut()
        .chain(constants)
        .filter(|tensor| !tensor.external_data.is_empty())
        .collect();
    if outside.is_empty() {
        return Ok(bytes);
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut left = FILE_BYTES;
    for tensor in outside {
        let data = external(folder, tensor, &mut left)
            .map_err(|what| ReadError::Tensor { name: tensor.name.clone(), what })?;
        tensor.raw_data = data;
        tensor.external_data.clear();
        tensor.data_location = DataLocation::Default.into();
    }
    Ok(model.encode_to_vec())
}

/// The elements of a tensor that lie in another file of `folder`; `left` bytes may still be read.
fn external(folder: &Path, tensor: &pb::TensorProto, left: &mut usize) -> Result<Vec<u8>, String> {
    let entry = |key: &str| tensor.external_data.iter().find(|entry| entry.key == key);
    let location = entry("location").map_or("", |entry| &entry.value);
    let path = beside(folder, location)?;
    let number = |key: &str| match entry(key) {
        None => Ok(None),
        Some(entry) => match entry.value.parse::<u64>() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(format!("its external data has the {key} {:?}", entry.value)),
        },
    };
    let dims: Vec<usize> = tensor
        .dims
        .iter()
        .map(|&dim| usize::try_from(dim).map_err(|_| format!("dimension {dim} is negative")))
        .collect::<Result<_, _>>()?;
    let width = match DataType::try_from(tensor.data_type) {
        Ok(DataType::Float | DataType::Int32 | DataType::Uint32) => 4,
        Ok(DataType::Double | DataType::Int64 | DataType::Uint64) => 8,
        Ok(DataType::Float16 | DataType::Bfloat16 | DataType::Int16 | DataType::Uint16) => 2,
        Ok(DataType::Int8 | DataType::Uint8 | DataType::Bool) => 1,
        _ => return Err(format!("elements of the type {} in another file", tensor.data_type)),
    };
    let bytes = elements(&dims)? * width;
    if let Some(length) = number("length")?.filter(|&length| length != bytes as u64) {
        return Err(format!("shape {dims:?} needs {bytes} bytes, its external data has {length}"));
    }
    if bytes > *left {
        return Err(format!("its external data brings the model beyond {} MB", FILE_BYTES >> 20));
    }
    *left -= bytes;
    let failed = |error: std::io::Error| format!("{}: cannot be read: {error}", path.display());
    let mut file = fs::File::open(&path).map_err(failed)?;
    let offset = number("offset")?.unwrap_or(0);
    let size = file.metadata().map_err(failed)?.len();
    if offset.checked_add(bytes as u64).is_none_or(|end| end > size) {
        return Err(format!(
            "{}: {size} bytes; the tensor's {bytes} are expected at {offset} (is the file whole, \
             and does it belong to this model?)",
            path.display()
        ));
    }
    let mut data = vec![0; bytes];
    file.seek(SeekFrom::Start(offset)).map_err(failed)?;
    file.read_exact(&mut data).map_err(failed)?;
    Ok(data)
}

/// The file called `location` in `folder`, and nowhere else.
fn beside(folder: &Path, location: &str) -> Result<PathBuf, String> {
    let inside = Path::new(location).components().all(|part| matches!(part, Component::Normal(_)));
    if location.is_empty() || !inside {
        return Err(format!(
            "its external data {location:?} is not in the model's folder; put it there, or export \
             the model as one file (external_data=False)"
        ));
    }
    let path = folder.join(location);
    let missing = |error: std::io::Error| {
        format!(
            "its elements are in {} (external data), which cannot be read: {error}; put it beside \
             the model, or export the model as one file (external_data=False)",
            path.display()
        )
    };
    let (real, root) =
        (path.canonicalize().map_err(missing)?, folder.canonicalize().map_err(missing)?);
    match real.starts_with(&root) && real.is_file() {
        true => Ok(real),
        false => Err(format!("its external data {location:?} leads out of the model's folder")),
    }
}

/// Every name is defined once: with two, the runtimes would choose differently.
fn check_names(graph: &pb::GraphProto) -> Result<(), ReadError> {
    let of_nodes = graph.node.iter().flat_map(|node| {
        let own = [&node.name, &node.op_type, &node.domain];
        own.into_iter().chain(&node.input).chain(&node.output)
    });
    let values = graph.input.iter().chain(&graph.output).map(|value| &value.name);
    let tensors = graph.initializer.iter().map(|tensor| &tensor.name);
    let mut names = of_nodes.chain(values).chain(tensors);
    if let Some(name) = names.find(|name| name.chars().any(char::is_control)) {
        return Err(ReadError::Graph(format!("the name {name:?} has control characters")));
    }
    let mut initializers = HashSet::new();
    for tensor in &graph.initializer {
        if !initializers.insert(tensor.name.as_str()) {
            let what = "there are two initializers of this name".to_string();
            return Err(ReadError::Tensor { name: tensor.name.clone(), what });
        }
    }
    let mut inputs = HashSet::new();
    for input in &graph.input {
        if !inputs.insert(input.name.as_str()) {
            return Err(ReadError::Graph(format!("two inputs are called '{}'", input.name)));
        }
    }
    let mut defined: HashSet<&str> = initializers.into_iter().chain(inputs).collect();
    for node in &graph.node {
        for output in node.output.iter().filter(|output| !output.is_empty()) {
            if !defined.insert(output) {
                return Err(ReadError::Node {
                    node: node_name(node).into(),
                    op: node.op_type.clone(),
                    what: format!("gives '{output}', which is defined already"),
                });
            }
        }
    }
    Ok(())
}

/// Drops nodes and initializers that no output depends on, and what is only said about values.
fn drop_unused(graph: &mut pb::GraphProto) {
    let mut used: HashSet<String> = graph.output.iter().map(|output| output.name.clone()).collect();
    let mut kept: Vec<pb::NodeProto> = Vec::new();
    for node in std::mem::take(&mut graph.node).into_iter().rev() {
        if node.output.iter().any(|output| used.contains(output)) {
            used.extend(node.input.iter().filter(|input| !input.is_empty()).cloned());
            kept.push(node);
        }
    }
    kept.reverse();
    graph.node = kept;
    graph.initializer.retain(|tensor| used.contains(&tensor.name));
    let given: HashSet<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
    graph.input.retain(|input| !given.contains(input.name.as_str()));
    // Shapes with symbols that do not hold for one image, and nothing that is needed.
    graph.value_info.clear();
}

/// Turns float16, bfloat16 and double into float.
fn widen(graph: &mut pb::GraphProto) -> Result<(), ReadError> {
    let is_wide = |element: i32| {
        matches!(
            DataType::try_from(element),
            Ok(DataType::Float16 | DataType::Bfloat16 | DataType::Double)
        )
    };
    let float = DataType::Float as i32;
    let widen = |tensor: &mut pb::TensorProto| {
        if is_wide(tensor.data_type) {
            *tensor = Tensor::from_proto(tensor)
                .map_err(|what| ReadError::Tensor { name: tensor.name.clone(), what })?
                .to_proto(&tensor.name);
        }
        Ok(())
    };
    graph.initializer.iter_mut().try_for_each(widen)?;
    for node in &mut graph.node {
        let cast = node.op_type == "Cast";
        for attribute in &mut node.attribute {
            attribute.t.iter_mut().try_for_each(widen)?;
            if cast && attribute.name == "to" && is_wide(attribute.i as i32) {
                attribute.i = float.into();
            }
        }
    }
    for info in graph.input.iter_mut().chain(&mut graph.output) {
        let kind = info.r#type.as_mut().and_then(|kind| kind.value.as_mut());
        if let Some(pb::type_proto::Value::TensorType(tensor)) = kind
            && is_wide(tensor.elem_type)
        {
            tensor.elem_type = float;
        }
    }
    Ok(())
}
