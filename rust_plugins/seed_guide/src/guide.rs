use libc::{c_char, c_void};
use serde::{Deserialize, Serialize};
use std::ffi::{CStr, CString};

#[derive(Deserialize)]
struct Config {
    connection: serde_json::Value,
    credentials: serde_json::Value,
    objects: Vec<String>,
}

pub struct Reader {
    config: Config,
    current_batch: usize,
}

#[no_mangle]
pub extern "C" fn create_reader(config_json: *const c_char) -> *mut Reader {
    let config_str = unsafe {
        CStr::from_ptr(config_json).to_str().unwrap()
    };
    
    let config: Config = serde_json::from_str(config_str).unwrap();
    
    let reader = Reader {
        config,
        current_batch: 0,
    };
    
    Box::into_raw(Box::new(reader))
}

#[no_mangle]
pub extern "C" fn extract_batch(reader: *mut Reader) -> *const c_char {
    let reader = unsafe { &mut *reader };
    
    // Extract data
    let records = vec![
        serde_json::json!({"id": 1, "name": "Record 1"}),
        serde_json::json!({"id": 2, "name": "Record 2"}),
    ];
    
    let result = serde_json::to_string(&records).unwrap();
    CString::new(result).unwrap().into_raw()
}

#[no_mangle]
pub extern "C" fn free_reader(reader: *mut Reader) {
    if !reader.is_null() {
        unsafe {
            drop(Box::from_raw(reader));
        }
    }
}

#[no_mangle]
pub extern "C" fn free_string(s: *mut c_char) {
    if !s.is_null() {
        unsafe {
            drop(CString::from_raw(s));
        }
    }
}
