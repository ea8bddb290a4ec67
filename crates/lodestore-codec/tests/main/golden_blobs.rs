//! Every blob that the peer was seen to write or read.

use bytes::Bytes;
use lodestore_codec::blob::{self, Compression, CountWidth, PackOptions, UnpackOptions};
use lodestore_types::Value;
use serde_json::{Value as Json, json};

use crate::describe::{describe, hex, unhex};

/// Where we read something else than the peer, and why. Nothing stands for an error.
fn departures() -> Vec<(&'static str, Option<Json>, &'static str)> {
    let array = |dtype: &str, shape: &[usize], hex: &str| {
        Some(json!({"t": "ndarray", "dtype": dtype, "shape": shape, "c_order_hex": hex}))
    };
    let text = |items: &[&str]| Some(json!({"t": "ndarray", "dtype": "U", "shape": [items.len()], "items": items}));
    let cell = |shape: &[usize]| Some(json!({"t": "MatCell", "dtype": "O", "shape": shape, "items": []}));
    let complex = "0000000000000080000000000000008\
                   0000000000000f03f00000000000000c0";
    let infinite = "000000000000f03f000000000000f07f000000000000f07f000000000000f03f";
    let no_blob = "bytes that are no blob are an error, never silently nothing";
    let no_type = "element types that no array has are an error, not unsigned integers";
    let dims = "an empty cell array keeps its dimensions";
    vec![
        ("arr_complex_negzero", array("<c16", &[2], complex), "signed zeros survive: nothing is added up"),
        ("arr_complex_inf_quirk", array("<c16", &[2], infinite), "infinite parts survive: nothing is multiplied"),
        ("mat_cell_0x0", cell(&[0, 0]), dims),
        ("mat_cell_1x0", cell(&[1, 0]), dims),
        ("cell_0x0", cell(&[0, 0]), dims),
        ("cell_3x0", cell(&[3, 0]), dims),
        ("empty_input", None, no_blob),
        ("no_protocol", None, no_blob),
        ("no_nul", None, no_blob),
        ("unknown_protocol_dj1", None, no_blob),
        ("zl_nested_returns_none", None, no_blob),
        ("zl_unknown_inner_protocol", None, no_blob),
        ("type0", None, no_type),
        ("type1_in_A", None, no_type),
        ("type16", None, no_type),
        ("char_latin1_err", text(&["é"]), "characters are UTF-16, as MATLAB writes them"),
        ("char_greek_err", text(&["αβ"]), "characters are UTF-16, as MATLAB writes them"),
        ("logical_nonbinary", array("|b1", &[1, 2], "0101"), "a boolean is 0 or 1"),
    ]
}

fn golden(section: &str) -> Vec<Json> {
    let all: Json = serde_json::from_str(include_str!("../golden/blobs.json")).unwrap();
    all[section].as_array().unwrap().clone()
}

/// The golden value in the spelling of `describe`.
fn normal(mut value: Json) -> Json {
    if let Some(map) = value.as_object_mut() {
        // A nested record is told without a dtype, and only its inner arrays matter.
        for (_, inner) in map.iter_mut() {
            *inner = normal(inner.take());
        }
        if let Some(items) = map.get_mut("items_sorted").and_then(Json::as_array_mut) {
            items.sort_by_key(Json::to_string);
        }
    } else if let Some(items) = value.as_array_mut() {
        for item in items {
            *item = normal(item.take());
        }
    }
    value
}

fn pack_plain(value: &Value) -> String {
    let options = PackOptions { compression: Compression::None, ..PackOptions::default() };
    hex(&blob::pack_opts(value, options).unwrap())
}

#[test]
fn every_vector_unpacks_and_repacks() {
    let departures = departures();
    for vector in golden("vectors") {
        let name = vector["name"].as_str().unwrap();
        let departure = departures.iter().find(|(departing, ..)| *departing == name);
        let expected = match departure {
            Some((_, expected, _)) => normal(expected.clone().unwrap()),
            None => normal(vector["unpacked"].clone()),
        };
        let plain = vector["hex_uncompressed"].as_str().unwrap();
        let forms = [Some(plain), vector["hex_compressed"].as_str()];
        for form in forms.into_iter().flatten() {
            let value = blob::unpack(unhex(form)).unwrap_or_else(|error| panic!("{name}: {error:?}"));
            assert_eq!(describe(&value), expected, "{name}");
            if vector["round_trip_exact"] == true {
                assert_eq!(pack_plain(&value), plain, "{name}");
            }
            if vector["round_trip_exact"] == true {
                let compressed = blob::pack(&value).unwrap();
                assert_eq!(compressed.starts_with(b"ZL123\0"), vector["compressed_differs"] == true, "{name}");
                assert_eq!(describe(&blob::unpack(compressed).unwrap()), expected, "{name}");
            }
        }
    }
}

#[test]
fn hand_made_bytes_unpack_or_fail_as_they_should() {
    let departures = departures();
    for vector in golden("unpack_only") {
        let name = vector["name"].as_str().unwrap();
        let counts = if vector["use_32bit_dims"] == true { CountWidth::Bits32 } else { CountWidth::Bits64 };
        let departure = departures.iter().find(|(departing, ..)| *departing == name);
        let expected = match departure {
            Some((_, expected, _)) => expected.clone(),
            None => vector.get("unpacked").cloned(),
        };
        let found = blob::unpack_opts(unhex(vector["hex"].as_str().unwrap()), UnpackOptions { counts });
        match (found, expected) {
            (Ok(value), Some(expected)) => assert_eq!(describe(&value), normal(expected), "{name}"),
            (Err(_), None) => {}
            (found, expected) => panic!("{name}: {found:?} instead of {expected:?}"),
        }
    }
}

#[test]
fn what_the_peer_packs_but_cannot_read_is_read() {
    let array = |bytes: &str| unhex(bytes);
    for vector in golden("packed_but_unreadable_by_peer") {
        let bytes = vector["hex_uncompressed"].as_str().unwrap();
        let value = blob::unpack(array(bytes)).unwrap_or_else(|error| panic!("{vector}: {error:?}"));
        assert_eq!(pack_plain(&value), bytes, "{vector}");
        let told = describe(&value);
        let shape = &told["shape"];
        match vector["python_repr"].as_str().unwrap() {
            "obj((2,),[1,2],[3,4])" => assert_eq!((shape, &told["items"][1]["t"]), (&json!([2]), &json!("list"))),
            "obj((),[1,2])" => assert_eq!((shape, &told["items"][0]["t"]), (&json!([]), &json!("list"))),
            "{frozenset([1])}" => assert_eq!(told["items_sorted"][0]["t"], "set"),
            "{frozenset([1]):1}" => assert_eq!(told["pairs"][0][0]["t"], "set"),
            "np.zeros(2,dtype=[('a','i4'),('x','f8',(3,))])" => {
                assert_eq!((shape, &told["fields"][1][1]["shape"]), (&json!([2]), &json!([2, 3])));
            }
            _ => assert!(!matches!(value, Value::Null)),
        }
    }
}

#[test]
fn arrays_share_the_blob() {
    let blob = Bytes::from(unhex(golden("vectors")[0]["hex_uncompressed"].as_str().unwrap()));
    let value = blob::unpack(blob.clone()).unwrap();
    let array = value.as_array().unwrap();
    assert!(blob.as_ptr_range().contains(&array.data().as_ptr()));
}
