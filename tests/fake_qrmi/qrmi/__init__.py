"""Stands in for QRMI, whose QPUs are a cluster's: those named in HPCQRL_TEST_DOWN do not answer."""

import os


class Resource:
    def __init__(self, name):
        self.name = name

    def is_accessible(self):
        return self.name not in os.environ.get("HPCQRL_TEST_DOWN", "").split(",")


class QRMIService:
    def resource(self, name):
        if name not in os.environ.get("QRMI_JOB_QPU_RESOURCES", os.environ.get("SLURM_JOB_QPU_RESOURCES", "")):
            return None
        if name == "broken":
            raise RuntimeError(f"{name}_QRMI_IBM_QS_ENDPOINT environment variable is not set")
        return Resource(name)
