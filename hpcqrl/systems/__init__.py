SYSTEMS = {
    "dist-qtrl": "hpcqrl.systems.dist_qtrl",
    "qa3c": "hpcqrl.systems.qa3c",
    "qdqn-dper": "hpcqrl.systems.qdqn_dper",
    "hdqnn-td3": "hpcqrl.systems.hdqnn_td3",
}
