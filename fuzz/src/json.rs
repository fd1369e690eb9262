//! Changes JSON as JSON, so that a fuzzer gets past the parser and to what the parser feeds. What is not JSON is left to libFuzzer.

use libfuzzer_sys::fuzzer_mutate;
use serde_json::{Value, json};

/// A change for `fuzz_mutator!`: mostly of one node of the document, sometimes of its bytes.
pub fn mutate(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut random = Random(u64::from(seed) | 1 << 40);
    let Some(mut document) = serde_json::from_slice::<Value>(&data[..size]).ok().filter(|_| random.below(8) > 0) else {
        return fuzzer_mutate(data, size, max_size);
    };
    for _ in 0..=random.below(3) {
        change(&mut document, &mut random);
    }
    match serde_json::to_vec(&document) {
        Ok(bytes) if bytes.len() <= max_size => {
            data[..bytes.len()].copy_from_slice(&bytes);
            bytes.len()
        }
        _ => fuzzer_mutate(data, size, max_size),
    }
}

/// Knuth's multiplier; a seed must give the same change again.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 24
    }

    fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { self.next() as usize % end }
    }
}

fn change(document: &mut Value, random: &mut Random) {
    let mut paths = vec![];
    collect(document, String::new(), &mut paths);
    let path = paths[random.below(paths.len())].clone();
    let other = document.pointer(&paths[random.below(paths.len())]).cloned().unwrap_or_default();
    let Some(node) = document.pointer_mut(&path) else { return };
    match (random.below(6), node) {
        (0, node) => *node = other,
        (1, node) => *node = odd(random),
        (_, Value::Number(number)) => *number = near(number, random),
        (_, Value::String(text)) => change_text(text, random),
        (_, Value::Bool(flag)) => *flag = !*flag,
        (2, Value::Array(list)) if !list.is_empty() => {
            let again = list[random.below(list.len())].clone();
            list.insert(random.below(list.len() + 1), again);
        }
        (3, Value::Array(list)) if !list.is_empty() => {
            let (a, b) = (random.below(list.len()), random.below(list.len()));
            list.swap(a, b);
        }
        (_, Value::Array(list)) if !list.is_empty() => {
            list.remove(random.below(list.len()));
        }
        (_, Value::Object(map)) if !map.is_empty() => {
            let name = map.keys().nth(random.below(map.len())).cloned().unwrap_or_default();
            map.remove(&name);
        }
        (_, node) => *node = other,
    }
}

fn collect(value: &Value, path: String, paths: &mut Vec<String>) {
    match value {
        Value::Array(list) => {
            for (index, one) in list.iter().enumerate() {
                collect(one, format!("{path}/{index}"), paths);
            }
        }
        Value::Object(map) => {
            for (name, one) in map {
                collect(one, format!("{path}/{}", name.replace('~', "~0").replace('/', "~1")), paths);
            }
        }
        _ => {}
    }
    paths.push(path);
}

const NUMBERS: [i64; 12] =
    [0, 1, -1, 59, 86_399, 86_400_000, i64::MAX, i64::MIN, 1 << 31, 1 << 53, 7_258_118_400_000, -2_208_988_800_000];

fn near(number: &serde_json::Number, random: &mut Random) -> serde_json::Number {
    let value = number.as_i64().unwrap_or(0);
    match random.below(8) {
        0 => NUMBERS[random.below(NUMBERS.len())].into(),
        1 => u64::MAX.into(),
        2 => serde_json::Number::from_f64(number.as_f64().unwrap_or(0.0) * 1.5 - 0.25).unwrap_or(0.into()),
        3 => value.wrapping_neg().into(),
        4 => value.wrapping_mul(2).into(),
        5 => value.wrapping_add(random.next() as i64 % 100_000_000).into(),
        6 => value.wrapping_sub(random.next() as i64 % 100_000_000).into(),
        _ => value.wrapping_add(random.below(5) as i64 - 2).into(),
    }
}

fn odd(random: &mut Random) -> Value {
    match random.below(8) {
        0 => Value::Null,
        1 => json!([]),
        2 => json!({}),
        3 => json!(""),
        4 => json!(1e300),
        5 => json!("x".repeat(random.below(900))),
        6 => json!(true),
        _ => NUMBERS[random.below(NUMBERS.len())].into(),
    }
}

fn change_text(text: &mut String, random: &mut Random) {
    let mut bytes = text.clone().into_bytes();
    let size = bytes.len();
    bytes.resize(size + 1 + random.below(16), 0);
    let room = bytes.len();
    let size = fuzzer_mutate(&mut bytes, size, room);
    bytes.truncate(size);
    *text = String::from_utf8_lossy(&bytes).into_owned();
}
