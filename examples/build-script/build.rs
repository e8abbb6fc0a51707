//! Makes `OUT_DIR/model.rs` of a float ONNX file and `OUT_DIR/sensor.rs` of a TensorFlow Lite one.

use converter::build::Model;

fn main() {
    // A file that the command line has converted: what is generated is what it wrote.
    Model::new("../../models/simple/float.onnx")
        .proof("../../models/simple/model.json")
        .generate()
        .unwrap_or_else(|error| panic!("{error}"));
    // A quantized file needs neither proof nor images.
    Model::new("../../tests/models/series.tflite")
        .name("sensor")
        .generate()
        .unwrap_or_else(|error| panic!("{error}"));
}
