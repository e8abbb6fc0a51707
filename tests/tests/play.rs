//! The page of `trainer play`: the browser computes the host's integers.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{LazyLock, mpsc};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use inkling_data::{Dataset, Split};
use tests::{mnist, program, root, scratch, skip};
use trainer::ask::model::Model;

const IMAGES: usize = 1000;
/// Wasm and page, compressed, without the model.
const MOST_BYTES: usize = 150_000;

/// The page with `models/simple`; nothing where the browser's target is missing.
static PAGE: LazyLock<Option<String>> = LazyLock::new(|| {
    let folder = scratch("play");
    let output = Command::new(program("trainer"))
        .current_dir(root())
        .args(["play", "--out", folder.to_str().expect("UTF-8")])
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("there is no compiler for the browser") {
        let enable = "rustup target add wasm32-unknown-unknown";
        skip("the page of play", "no target for the browser", enable, "INKLING_REQUIRE_SYSTEMS");
        return None;
    }
    assert!(output.status.success(), "{said}");
    Some(std::fs::read_to_string(folder.join("index.html")).expect("it is written"))
});

/// The contents of the element with this id.
fn part<'p>(page: &'p str, id: &str) -> &'p str {
    let start = page.find(&format!("id=\"{id}\">")).expect("it is there") + id.len() + 6;
    &page[start..start + page[start..].find("</script>").expect("it ends")]
}

/// Test images, and the host's logits.
fn expected() -> (Dataset, Vec<Vec<i32>>) {
    let images = Dataset::load(&mnist(), Split::Test).expect("MNIST is there");
    let images = images.subset(&(0..IMAGES).collect::<Vec<_>>());
    let model = Model::open(&root().join("models/simple")).expect("the model is committed");
    let logits = model.int8_logits(&images).expect("it runs");
    (images, logits)
}

/// The test images as a JavaScript string of hexadecimal digits.
fn hex(images: &Dataset) -> String {
    let pixels = (0..images.len()).flat_map(|index| images.image(index));
    pixels.map(|pixel| format!("{pixel:02x}")).collect()
}

/// Leaves all logits in `logits`.
const ALL_LOGITS: &str = "
    const bytes = Uint8Array.from(images.match(/../g), byte => parseInt(byte, 16));
    const logits = [];
    for (let at = 0; at < bytes.length; at += 784) {
        inkling.infer(0, bytes.subarray(at, at + 784));
        logits.push([...inkling.values(0, models[0].layers.length, 10)]);
    }
";

fn has(program: &str) -> bool {
    let version = Command::new(program).arg("--version").stdout(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

fn browser() -> Option<&'static str> {
    ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|name| has(name))
}

/// What `script` leaves in the element `result` of the page, as the page itself reports it: a browser's own
/// idea of when a page is done (`--dump-dom`, virtual time) does not wait for pictures that are being decoded.
fn shown(browser: &str, page: &str, script: &str, name: &str) -> String {
    let then = format!(
        "<pre id=result></pre><script>ready.then(async () => {{ {script} }})\
         .catch(error => {{ element('result').textContent = 'failed: ' + error.stack; }})\
         .then(() => fetch('/said', {{ method: 'POST', body: element('result').textContent }}));</script>"
    );
    let page = page.replace("</html>", &then);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}/", listener.local_addr().expect("it is bound"));
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if let Some(said) = served(stream, &page) {
                let _ = tell.send(said);
            }
        }
    });
    let folder = scratch(name);
    let errors = folder.join("errors.txt");
    let mut running = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .arg("--remote-debugging-port=0")
        .arg(&address)
        .stdout(Stdio::null())
        .stderr(File::create(&errors).expect("written"))
        .spawn()
        .expect("it runs");
    let said = told.recv_timeout(Duration::from_secs(300));
    let _ = running.kill();
    let _ = running.wait();
    said.unwrap_or_else(|_| {
        panic!("the page said nothing: {}", std::fs::read_to_string(errors).unwrap_or_default())
    })
}

/// Answers one request: with the page, or, if it is a report of the page, with nothing. Returns the report.
fn served(mut stream: TcpStream, page: &str) -> Option<String> {
    let mut request = BufReader::new(stream.try_clone().ok()?);
    let mut first = String::new();
    request.read_line(&mut first).ok()?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        request.read_line(&mut line).ok()?;
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let (body, said) = if first.starts_with("POST /said ") {
        let mut said = vec![0; length];
        request.read_exact(&mut said).ok()?;
        ("", Some(String::from_utf8_lossy(&said).into_owned()))
    } else if first.starts_with("GET / ") {
        (page, None)
    } else {
        ("", None)
    };
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nConnection: close\r\n";
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).ok()?;
    said
}

#[test]
fn the_page_is_small_and_loads_nothing() {
    let Some(page) = &*PAGE else { return };
    let without_model = page.replace(part(page, "blobs"), "");
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(without_model.as_bytes()).expect("memory");
    let bytes = encoder.finish().expect("memory").len();
    println!("{bytes} bytes compressed");
    assert!(bytes <= MOST_BYTES, "{bytes} bytes");
    let text = page.replace(part(page, "wasm"), "");
    for loads in ["http://", "https://", "src=", "fetch(", "import("] {
        assert!(!text.contains(loads), "{loads} is on the page");
    }
}

#[test]
fn all_logits_under_node_are_the_hosts() {
    let Some(page) = &*PAGE else { return };
    if !has("node") {
        skip(
            "the page of play under Node",
            "there is no node",
            "apt install nodejs",
            "INKLING_REQUIRE_SYSTEMS",
        );
        return;
    }
    let (images, logits) = expected();
    let folder = scratch("play-node");
    let script = part(page, "script");
    let wrapper = &script[..script.find("// --- what a model computes").expect("it is there")];
    let code = format!(
        "const wasm = {:?}, blob = JSON.parse({:?})[0].blob, images = {:?};\n{wrapper}\n\
         WebAssembly.instantiate(bytesOf(wasm)).then(({{ instance }}) => {{\n\
         inkling.wasm = instance.exports;\nmodels[0] = inkling.load(0, bytesOf(blob));\n\
         {ALL_LOGITS}\nconsole.log(JSON.stringify(logits)); }});",
        part(page, "wasm"),
        part(page, "blobs"),
        hex(&images),
    );
    let file: PathBuf = folder.join("run.js");
    std::fs::write(&file, code).expect("written");
    let output = Command::new("node").arg(&file).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let found: Vec<Vec<i32>> = serde_json::from_str(&said)
        .unwrap_or_else(|_| panic!("{said}{}", String::from_utf8_lossy(&output.stderr)));
    assert!(found == logits, "the wasm's logits differ from the host's");
}

#[test]
fn the_browser_computes_the_hosts_logits_and_reads_strokes() {
    let Some(page) = &*PAGE else { return };
    let Some(browser) = browser() else {
        skip(
            "the page of play in a browser",
            "there is no chromium",
            "./ci.sh setup",
            "INKLING_REQUIRE_BROWSER",
        );
        return;
    };
    let (images, logits) = expected();
    let script = format!(
        "const images = {:?}; {ALL_LOGITS}
        const box = canvas.getBoundingClientRect();
        const point = (type, [x, y]) => canvas.dispatchEvent(new PointerEvent(type, {{
            clientX: box.left + x / 280 * box.width, clientY: box.top + y / 280 * box.height, bubbles: true }}));
        const stroke = points => {{
            point('pointerdown', points[0]);
            points.slice(1).forEach(at => point('pointermove', at));
            point('pointerup', points.at(-1));
        }};
        const round = (x, y, w, h) => [...Array(33).keys()].map(i =>
            [x + w * Math.sin(i * Math.PI / 16), y - h * Math.cos(i * Math.PI / 16)]);
        const drawings = {{
            0: [round(140, 140, 55, 85)],
            1: [[[140, 50], [140, 230]]],
            4: [[[90, 55], [80, 150], [195, 150]], [[175, 55], [165, 235]]],
            7: [[[75, 65], [200, 65], [120, 230]]],
        }};
        const read = Object.entries(drawings).map(([digit, strokes]) => {{
            reset();
            strokes.forEach(stroke);
            drawn();
            return [digit, models[0].result?.label];
        }});
        explain(0, models[0].layers.length - 1, 7);
        const sum = inkling.behind(0, models[0].layers.length - 1, 7);
        const sums = models[0].layers.every((layer, index) => {{
            const {{ bias, accumulator, products }} = inkling.behind(0, index, size(layer.shape) - 1);
            return accumulator === products.reduce((all, product) => all + product[3] * product[4], bias);
        }});
        element('result').textContent = JSON.stringify(
            {{ logits, read, sums, logit: sum.accumulator === sum.result && sum.result === models[0].result.logits[7] }});",
        hex(&images)
    );
    let said = shown(browser, page, &script, "play-browser");
    let found: serde_json::Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"));
    assert!(found["logits"] == serde_json::json!(logits), "the browser's logits differ");
    for pair in found["read"].as_array().expect("a list") {
        assert_eq!(pair[0], pair[1], "a drawn {} is read as {}", pair[0], pair[1]);
    }
    assert_eq!(found["sums"], true);
    assert_eq!(found["logit"], true, "the sum behind a logit is not the logit");
}

/// What is dropped on the page, chosen or pasted goes through `open`.
#[test]
fn pictures_and_blobs_are_opened_and_others_refused() {
    let (Some(page), Some(browser)) = (&*PAGE, browser()) else { return };
    let script = "
        const drawn = document.createElement('canvas');
        [drawn.width, drawn.height] = [200, 220];
        const pen = drawn.getContext('2d');
        pen.fillStyle = '#ddd';
        pen.fillRect(0, 0, 200, 220);
        Object.assign(pen, { strokeStyle: '#222', lineWidth: 16, lineCap: 'round' });
        pen.beginPath();
        [[50, 50], [150, 50], [90, 180]].forEach(at => pen.lineTo(...at));
        pen.stroke();
        const said = () => element('message').textContent;
        await open(new File([await new Promise(then => drawn.toBlob(then))], 'seven.png'));
        const seven = models[0].result?.label;
        await open(new File(['no picture'], 'text.png'));
        const refused = said();
        const blob = bytesOf(JSON.parse(element('blobs').textContent)[0].blob);
        const before = models[0];
        await open(new File([blob], 'model.blob'));
        const replaced = models[0] !== before && models.length === 1;
        blob[blob.length >> 1] ^= 1;
        await open(new File([blob], 'spoiled.blob'));
        element('result').textContent = JSON.stringify([seven, refused, replaced, said(), models.length]);";
    let said = shown(browser, page, script, "play-opened");
    let found: serde_json::Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"));
    let expected = serde_json::json!([
        "7",
        "text.png: is no picture that the browser reads",
        true,
        "the blob was changed or damaged: its checksum is wrong",
        1
    ]);
    assert_eq!(found, expected);
}
